// Processes with everything open and nothing to do use no CPU: no more than the bare runtime does,
// but for a small allowance. Measured over 10 s, all processes at once.
//
// Bun collects garbage on a timer while it idles, and a process that has used its heap pays more for
// that than a bare one: 1 to 4 ms a second, Bun's own. That timer is off here, in the bare process
// too, so that what is left is ours.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { commandOf } from "../../tools/runtimes.ts";
import { Puppet, type Runtime, runtimes } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";

const SECONDS = 10;
/** 0.2 % of a processor. */
const ALLOWED_NS = SECONDS * 2e6;
const ALLOWED_SWITCHES = 3 * SECONDS;
/** A collector or a compiler can still wake up within one; whoever polls does so in each. */
const MEASUREMENTS = 3;
process.env["BUN_GC_TIMER_DISABLE"] = "1"; // the processes started here inherit it
/** Until garbage collectors and compilers have come to rest. */
const SETTLE = 4000;
const CONNECTIONS = 200;
const CHANNELS = 20;

/** What a thread, or a whole process, has used. */
interface Usage {
  /** Nanoseconds on a processor. */
  ns: number;
  /** How often it went to sleep. */
  switches: number;
}

/** Of all threads: /proc/<pid>/schedstat and status tell of the first one only. */
function usage(pid: number): Map<string, Usage> {
  return new Map(
    fs.readdirSync(`/proc/${pid}/task`).map((thread) => {
      const folder = `/proc/${pid}/task/${thread}`;
      const status = fs.readFileSync(`${folder}/status`, "utf8");
      const ns = Number(fs.readFileSync(`${folder}/schedstat`, "utf8").split(" ")[0]);
      const switches = Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
      return [thread, { ns, switches }];
    }),
  );
}

function difference(before: Map<string, Usage>, after: Map<string, Usage>): Usage {
  const total = { ns: 0, switches: 0 };
  for (const [thread, { ns, switches }] of after) {
    total.ns += ns - (before.get(thread)?.ns ?? 0);
    total.switches += switches - (before.get(thread)?.switches ?? 0);
  }
  return total;
}

function startBare(runtime: Runtime): ChildProcess {
  const program = path.join(import.meta.dirname, "bare.ts");
  const [file, ...args] = commandOf(runtime, program, { gc: true });
  return spawn(file, args, { stdio: "ignore" });
}

interface Idle {
  runtime: Runtime;
  what: string;
  pid: number;
}

/** A server with all its clients in another process, channels, and calls that wait for ever. */
async function startAll(runtime: Runtime, directory: string): Promise<[Puppet[], Idle[]]> {
  const [server, clients, blocked] = await Promise.all(
    [0, 1, 2].map(() => new Puppet(runtime, directory).up()),
  ) as [Puppet, Puppet, Puppet];
  const name = `all-${runtime}`;
  await server.do("open", { kind: "server", name });
  for (let i = 0; i < CONNECTIONS; i++) {
    const options = { capacity: 4096 };
    await clients.do("open", { as: `${name}${i}`, kind: "client", name, options });
  }
  for (let i = 0; i < CHANNELS; i++) {
    for (const puppet of [server, clients]) {
      await puppet.do("open", { kind: "channel", name: `${name}-${i}` });
    }
  }
  await server.do("open", { kind: "channel", name: `${name} alone` });
  for (let i = 0; i < 10; i++) {
    const waiting = { hold: true, timeout: 600_000 };
    await clients.do("start", { ...waiting, key: `held${i}`, on: `${name}${i}` });
    await server.do("start", { ...waiting, key: `held${i}`, on: `${name}-${i}` });
  }
  await blocked.do("open", { kind: "client", name });
  blocked.post("request", { on: name, hold: true, sync: true, timeout: 600_000 });
  const puppets = [server, clients, blocked];
  const what = ["server with everything open", `${CONNECTIONS} clients`, "blocked in a request"];
  return [puppets, puppets.map(({ pid }, i) => ({ runtime, what: what[i]!, pid }))];
}

/** Over `SECONDS`; describes those that have used more than the bare runtime and the allowance. */
async function measure(idle: readonly Idle[]): Promise<string[]> {
  const before = idle.map(({ pid }) => usage(pid));
  await sleep(SECONDS * 1000);
  const used = idle.map((which, i) => ({ ...which, ...difference(before[i]!, usage(which.pid)) }));
  const lines = used.map(({ runtime, what, ns, switches }) => {
    const ms = (ns / 1e6).toFixed(2).padStart(7);
    return `${runtime.padEnd(4)} ${
      what.padEnd(28)
    } ${ms} ms CPU in ${SECONDS} s, ${switches} sleeps`;
  });
  console.log(lines.join("\n"));
  return lines.filter((_, i) => {
    const { runtime, ns, switches } = used[i]!;
    const own = used.find((other) => other.runtime === runtime && other.what === "bare")!;
    return ns > own.ns + ALLOWED_NS || switches > own.switches + ALLOWED_SWITCHES;
  });
}

const linux = process.platform === "linux" ? {} : { skip: "reads /proc" };

test("idle processes use no CPU", linux, async () => {
  const directory = newDirectory();
  const bare = runtimes.map((runtime) => ({ runtime, child: startBare(runtime) }));
  const puppets: Puppet[] = [];
  try {
    const idle: Idle[] = bare.map(({ runtime, child }) => ({
      ...{ runtime, what: "bare", pid: child.pid! },
    }));
    for (const runtime of runtimes) {
      const [started, described] = await startAll(runtime, directory);
      puppets.push(...started);
      idle.push(...described);
    }
    await sleep(SETTLE);
    let excesses = await measure(idle);
    for (let i = 1; excesses.length > 0 && i < MEASUREMENTS; i++) excesses = await measure(idle);
    assert.deepEqual(excesses, []);
    // The blocked ones can't be told to close: their server's end tells them.
    for (const puppet of puppets.filter((_, i) => i % 3 !== 2)) await puppet.finish();
    for (const puppet of puppets.filter((_, i) => i % 3 === 2)) await puppet.finish();
    for (const puppet of puppets) assert.equal(puppet.errors, "");
    assert.deepEqual(filesIn(directory), []);
    removeDirectory(directory);
  } finally {
    for (const { child } of bare) child.kill("SIGKILL");
    for (const puppet of puppets) puppet.kill();
  }
});
