// Deaths at the worst moments of finding each other: both sides at once, at the door of a server, and
// with the lock of a directory in hand. Whoever comes next finds the name free, and nothing of the
// dead is left.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Puppet, type Runtime, runtimes } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";
import { until, within } from "../support/watchdog.ts";

const pairs = runtimes.flatMap((a) => runtimes.map((b) => [a, b] as const));

async function start(directory: string, ...which: Runtime[]): Promise<Puppet[]> {
  return await Promise.all(which.map((runtime) => new Puppet(runtime, directory).up()));
}

/** Two new ones use both patterns under the name, and leave nothing behind, nor of the dead. */
async function checkNameIsFree(directory: string, name: string): Promise<void> {
  const [a, b] = await start(directory, "bun", "node") as [Puppet, Puppet];
  for (const kinds of [["channel", "channel"], ["server", "client"]] as const) {
    await a.do("open", { as: kinds[0], kind: kinds[0], name });
    await b.do("open", { as: kinds[1], kind: kinds[1], name });
    await b.do("request", { on: kinds[1] });
  }
  await Promise.all([a.finish(), b.finish()]);
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
}

for (const kinds of [["channel", "channel"], ["server", "client"]] as const) {
  test(`both sides of a ${kinds[0]} are killed at once`, async () => {
    const directory = newDirectory();
    for (const [first, second] of pairs) {
      const [a, b] = await start(directory, first, second) as [Puppet, Puppet];
      await a.do("open", { kind: kinds[0], name: "twins" });
      await b.do("open", { kind: kinds[1], name: "twins" });
      await b.do("request", { on: "twins" });
      b.post("traffic", { on: "twins", mode: "flight" });
      await sleep(Math.random() * 10);
      a.kill();
      b.kill();
      await Promise.all([a.ended, b.ended]);
    }
    await checkNameIsFree(directory, "twins");
  });

  test(`both sides of a ${kinds[0]} are killed while they open it`, async () => {
    const directory = newDirectory();
    for (const [first, second] of pairs) {
      const [a, b] = await start(directory, first, second) as [Puppet, Puppet];
      a.post("open", { kind: kinds[0], name: "twins" });
      b.post("open", { kind: kinds[1], name: "twins" });
      await sleep(Math.random() * 25);
      a.kill();
      b.kill();
      await Promise.all([a.ended, b.ended]);
    }
    await checkNameIsFree(directory, "twins");
  });
}

test("the server dies between a client's announce and its admission", async () => {
  const directory = newDirectory();
  for (const [dying, announcing] of pairs) {
    const [server, client, next] = await start(directory, dying, announcing, dying) as Puppet[];
    await server!.do("open", { kind: "server", name: "door" });
    server!.kill("SIGSTOP"); // it lives, and doesn't answer
    client!.post("open", { as: "it", kind: "client", name: "door", wait: false });
    await until(() => filesIn(directory).some((file) => file.includes("join-")), "no announce");
    await sleep(20);
    server!.kill();
    await server!.ended;
    await next!.do("open", { kind: "server", name: "door" });
    await connected(client!, "it");
    await client!.do("request", { on: "it" });
    await Promise.all([next!.finish(), client!.finish()]);
    assert.deepEqual(filesIn(directory), []);
  }
  removeDirectory(directory);
});

test("a client dies at the door: the server goes on, and lets the next one in", async () => {
  const directory = newDirectory();
  for (const [serving, dying] of pairs) {
    const [server, client, next] = await start(directory, serving, dying, dying) as Puppet[];
    await server!.do("open", { kind: "server", name: "door", options: { maxConnections: 1 } });
    server!.kill("SIGSTOP");
    client!.post("open", { as: "it", kind: "client", name: "door", wait: false });
    await until(() => filesIn(directory).some((file) => file.includes("join-")), "no announce");
    await sleep(20);
    client!.kill();
    await client!.ended;
    server!.kill("SIGCONT");
    await next!.do("open", { kind: "client", name: "door" });
    await next!.do("request", { on: "door" });
    assert.equal((await server!.do("state", { on: "door" })).connections, 1);
    await Promise.all([next!.finish(), server!.finish()]);
    assert.equal(server!.errors, "");
    assert.deepEqual(filesIn(directory), []);
  }
  removeDirectory(directory);
});

async function connected(puppet: Puppet, on: string): Promise<void> {
  const start = performance.now();
  while (!(await puppet.do("state", { on }))?.connected) {
    assert.ok(performance.now() - start < 60_000, `${on} isn't connected`);
    await sleep(5);
  }
}

test("who dies before its folder has a file in it leaves no folder", async () => {
  const directory = newDirectory();
  const [dying, next] = await start(directory, "node", "deno") as [Puppet, Puppet];
  await dying.do("open", { kind: "channel", name: "some" });
  await dying.die();
  for (const folder of ["rpc/none", "channel/none"]) {
    fs.mkdirSync(path.join(directory, folder), { recursive: true, mode: 0o700 });
  }
  await next.do("open", { kind: "channel", name: "another" });
  await next.finish();
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
});

/** Holds the lock of a directory as the library does, until it is killed. */
async function lock(directory: string): Promise<ChildProcess> {
  const holder = spawn("flock", ["-x", directory, "-c", "echo locked; exec sleep 60"]);
  await within(new Promise((resolve) => holder.stdout.once("data", resolve)), "the lock", 5000);
  return holder;
}

function hasFlock(): boolean {
  return ["/usr/bin/flock", "/bin/flock"].some((file) => fs.existsSync(file));
}

const needsFlock = hasFlock() ? {} : { skip: "there is no flock(1)" };

test("who is killed while it holds or awaits a directory's lock", needsFlock, async () => {
  const directory = newDirectory();
  for (const kind of ["channel", "server"]) {
    const folder = path.join(directory, kind === "server" ? "rpc" : kind, "locked");
    for (const runtime of runtimes) {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
      const holder = await lock(folder);
      const [waiting, next] = await start(directory, runtime, runtime) as [Puppet, Puppet];
      waiting.post("open", { kind, name: "locked" });
      await sleep(100);
      waiting.kill();
      await waiting.ended;
      const opened = next.do("open", { kind, name: "locked" });
      await sleep(50);
      // flock's child has the lock as well, so all of them have to go.
      fs.readdirSync(`/proc/${holder.pid}/task`);
      const children = fs.readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8");
      for (const pid of children.trim().split(" ").filter(Boolean)) process.kill(+pid, "SIGKILL");
      holder.kill("SIGKILL");
      await within(opened, "the lock of the dead", 5000);
      await next.finish();
      assert.deepEqual(filesIn(directory), []);
    }
  }
  removeDirectory(directory);
});

test("a third partner is refused also while the two are only being killed one by one", async () => {
  const directory = newDirectory();
  const [a, b, c] = await start(directory, "deno", "bun", "node") as [Puppet, Puppet, Puppet];
  for (const puppet of [a, b]) await puppet.do("open", { kind: "channel", name: "two" });
  await a.do("request", { on: "two" });
  await assert.rejects(c.do("open", { kind: "channel", name: "two" }), { name: "NameTakenError" });
  await b.die();
  // Now there is a place: at once, or as soon as the system has ended the process.
  await c.do("open", { kind: "channel", name: "two" });
  await c.do("request", { on: "two" });
  await Promise.all([a.finish(), c.finish()]);
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
});

/** Side b of a connection: where whoever answers writes its node and that it is open. */
const SIDE_B = { node: 256, state: 268, open: 1 };

for (
  const kinds of [["channel", "channel", "channel"], ["client", "server", "rpc-clients"]] as const
) {
  test(`who answers a ${kinds[0]} dies before it rings: the next one is met`, async () => {
    const directory = newDirectory();
    for (const runtime of runtimes) {
      const [a, b, c] = await start(directory, runtime, "node", "bun") as [Puppet, Puppet, Puppet];
      await b.do("open", { kind: "server", name: "unrelated" });
      const id = fs.readdirSync(path.join(directory, "nodes"))[0]!;
      await a.do("open", { kind: kinds[0], name: "met", wait: false });
      const folder = path.join(directory, kinds[2], "met");
      await until(() => fs.existsSync(folder) && fs.readdirSync(folder).length === 1, "no door");
      await sleep(100); // asleep by now
      const file = fs.openSync(path.join(folder, fs.readdirSync(folder)[0]!), "r+");
      fs.writeSync(file, Uint8Array.fromHex(id), 0, 8, SIDE_B.node);
      fs.writeSync(file, new Uint8Array([SIDE_B.open, 0, 0, 0]), 0, 4, SIDE_B.state);
      fs.closeSync(file);
      await b.die();
      await c.do("open", { kind: kinds[1], name: "met" });
      await connected(a, "met");
      await a.do("request", { on: "met", timeout: 5000 });
      await Promise.all([a.finish(), c.finish()]);
      assert.deepEqual(filesIn(directory), []);
    }
    removeDirectory(directory);
  });
}

/** The doorbell word of a node, and its values, as in csrc/causeway.h. */
const BELL = { offset: 128, parked: 1, blocked: 2, rung: 3, awake: 0 };

for (const runtime of runtimes) {
  for (const sync of [false, true]) {
    const how = sync ? "blocks" : "awaits";
    test(`${runtime} ${how}: its partner dies between claiming the doorbell and ringing it`, async () => {
      const directory = newDirectory();
      const [a] = await start(directory, runtime) as [Puppet];
      await a.do("open", { kind: "channel", name: "rung" });
      const node = path.join(directory, "nodes", fs.readdirSync(path.join(directory, "nodes"))[0]!);
      const [b] = await start(directory, "node") as [Puppet];
      await b.do("open", { kind: "channel", name: "rung" });
      await a.do("request", { on: "rung" });
      const call = a.do("request", { on: "rung", hold: true, sync, timeout: "never" }, 5000);
      await sleep(200); // asleep by now
      // What a ringer does before it wakes the sleeper: this one never will.
      const file = fs.openSync(node, "r+");
      const word = new Int32Array(1);
      fs.readSync(file, word, 0, 4, BELL.offset);
      assert.equal(word[0], sync ? BELL.blocked : BELL.parked);
      word[0] = sync ? BELL.awake : BELL.rung;
      fs.writeSync(file, word, 0, 4, BELL.offset);
      fs.closeSync(file);
      await b.die();
      await assert.rejects(call, { name: "PeerGoneError" });
      await a.finish();
      assert.deepEqual(filesIn(directory), []);
      removeDirectory(directory);
    });
  }
}
