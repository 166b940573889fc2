// A peer that is stopped (SIGSTOP: a debugger, a suspended job) for 15 s is not dead. Nothing of it
// is lost or given away, and it goes on where it was. All runtimes and roles are stopped in the same
// 15 s, each with partners of its own.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Puppet, type Runtime, runtimes } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";

const PAUSE = Number(process.env["CAUSEWAY_PAUSE"] ?? 15) * 1000;

const roles = ["channel", "server", "client"] as const;

/** Each runtime is paused once in each role; its partner is another one. */
const cases = runtimes.flatMap((paused, i) =>
  roles.map((role, j) => ({ paused, role, partner: runtimes[(i + j + 1) % 3]! }))
);

async function play(
  { paused, role, partner }: { paused: Runtime; role: typeof roles[number]; partner: Runtime },
): Promise<void> {
  const directory = newDirectory();
  const [sleeper, other, third] = await Promise.all(
    [paused, partner, paused].map((runtime) => new Puppet(runtime, directory).up()),
  ) as [Puppet, Puppet, Puppet];
  const name = "paused";
  const kind = role;
  const counterpart = { channel: "channel", server: "client", client: "server" }[role];
  // The server first: its client waits for nobody.
  const opened = [
    () => sleeper.do("open", { kind, name }),
    () => other.do("open", { kind: counterpart, name }),
  ];
  if (role === "client") opened.reverse();
  for (const open of opened) await open();
  const calling = role === "client" ? sleeper : other;
  const answering = calling === sleeper ? other : sleeper;
  await calling.do("request", { on: name });

  // In flight when it stops: answered late, messages in pieces, messages one way.
  const calls = ["slow", "large", "plain"];
  await calling.do("start", { key: "slow", on: name, slow: 200, timeout: "never" });
  await calling.do("start", { key: "large", on: name, size: 8 << 20, timeout: "never" });
  sleeper.kill("SIGSTOP");
  if (calling === other) {
    await calling.do("start", { key: "plain", on: name, timeout: 2 * PAUSE + 30_000 });
    await calling.do("send", { on: name, count: 100, size: 1000 });
  } else {
    calls.pop();
  }
  const start = performance.now();
  await sleep(PAUSE / 2);

  if (role === "channel") {
    await assert.rejects(third.do("open", { kind: "channel", name }), { name: "NameTakenError" });
  } else if (role === "server") {
    await assert.rejects(third.do("open", { kind: "server", name }), { name: "NameTakenError" });
  }
  await sleep(Math.max(0, PAUSE - (performance.now() - start)));
  const while_ = await other.do("state", { on: name });
  assert.ok(while_.connected, "it was given up");
  assert.equal(
    while_.events.filter(({ what }: { what: string }) => what === "disconnect").length,
    0,
  );

  sleeper.kill("SIGCONT");
  for (const key of calls) await calling.do("await", { key }, 60_000);
  await calling.do("request", { on: name });
  const states = await Promise.all([
    sleeper.do("state", { on: name }),
    other.do("state", { on: name }),
  ]);
  for (const { connected, events } of states) {
    assert.ok(connected);
    assert.ok(events.every(({ what }: { what: string }) => what === "connect"));
  }
  // Every request was handled, and every message that was sent meanwhile.
  const expected = calling === other ? 2 + 3 + 100 : 2 + 2;
  assert.equal((await answering.do("state", { on: name })).received, expected);
  await Promise.all([sleeper, other, third].map((puppet) => puppet.finish()));
  for (const puppet of [sleeper, other, third]) assert.equal(puppet.errors, "");
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
}

const all = cases.map((which) => {
  // They wait at the same time; each test awaits its own.
  let playing: Promise<void> | undefined;
  const start = () => playing ??= play(which);
  return { ...which, start };
});

for (const { paused, role, partner, start } of all) {
  test(`${paused} as ${role}, stopped for ${PAUSE / 1000} s, partner ${partner}`, async () => {
    for (const other of all) other.start().catch(() => {});
    await start();
  });
}
