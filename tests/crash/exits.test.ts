// Every way to end with things open: the partner is told within a second, and no file stays.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Puppet, type Runtime, runtimes } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";
import { until, within } from "../support/watchdog.ts";

interface Way {
  how: string;
  /** Makes it end. */
  end(puppet: Puppet): void;
  /** What becomes of it: its exit code, or the signal. */
  expected: number | string;
  /** Closes before it ends; otherwise the partner cleans up. */
  orderly: boolean;
  only?: Runtime;
}

const ways: Way[] = [
  { how: "process.exit", end: (p) => p.post("exit", { code: 3 }), expected: 3, orderly: true },
  {
    how: "Deno.exit",
    end: (p) => p.post("denoExit", { code: 3 }),
    expected: 3,
    orderly: true,
    only: "deno",
  },
  { how: "the end of the program", end: fallOff, expected: 0, orderly: true },
  { how: "an uncaught exception", end: (p) => p.post("throw"), expected: 1, orderly: false },
  { how: "an unhandled rejection", end: (p) => p.post("reject"), expected: 1, orderly: false },
  { how: "SIGTERM", end: (p) => p.kill("SIGTERM"), expected: "SIGTERM", orderly: false },
  { how: "SIGINT", end: (p) => p.kill("SIGINT"), expected: "SIGINT", orderly: false },
];

/** Nothing keeps the process alive any more. */
function fallOff(puppet: Puppet): void {
  puppet.post("unrefAll");
  puppet.leave();
}

/** How a process ended: its exit code or the signal. */
async function endOf(puppet: Puppet, how: string): Promise<number | string> {
  const { code, signal } = await within(puppet.ended, `${puppet.runtime} to end by ${how}`, 10_000);
  return signal ?? code!;
}

/** Bun tells nothing of a rejection that ends it: it looks like the end of the program. */
function isUntold(runtime: Runtime, { how }: Way): boolean {
  return runtime === "bun" && how === "an unhandled rejection";
}

/** The survivor is the partner of one that ends, in three ways. */
async function play(runtime: Runtime, partner: Runtime, way: Way): Promise<string> {
  const directory = newDirectory();
  const [ending, survivor] = await Promise.all([
    new Puppet(runtime, directory).up(),
    new Puppet(partner, directory).up(),
  ]);
  await survivor.do("open", { as: "s", kind: "server", name: "survivor" });
  await ending.do("open", { as: "e", kind: "server", name: "ending" });
  const pairs = [["channel", "channel", "chan"], ["client", "", "survivor"], [
    "",
    "client",
    "ending",
  ]];
  for (const [here, there, name] of pairs) {
    if (here) await ending.do("open", { as: `${name}-`, kind: here, name });
    if (there) await survivor.do("open", { as: `${name}-`, kind: there, name });
  }
  await survivor.do("request", { on: "chan-" });
  for (const on of ["chan-", "ending-"]) {
    await survivor.do("start", { key: on, on, hold: true, timeout: "never" });
  }
  const at = Date.now();
  way.end(ending);
  const how = await endOf(ending, way.how);
  const times: number[] = [];
  for (const on of ["chan-", "ending-"]) {
    const error = await survivor.do("await", { key: on }).catch((error) => error);
    assert.equal(error.name, "PeerGoneError");
    if (way.orderly) assert.equal(error.reason, "closed");
    else if (!isUntold(runtime, way)) assert.equal(error.reason, "died");
    const { events } = await survivor.do("state", { on });
    times.push(events.findLast(({ what }: { what: string }) => what === "disconnect").at - at);
  }
  await until(() => filesIn(directory).every((file) => !file.includes("ending/server")), "a file");
  assert.equal((await survivor.do("state", { on: "s" })).connections, 0);
  assert.equal(how, way.expected, `${ending.errors}`);
  await survivor.finish();
  assert.equal(survivor.errors, "");
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
  return `${Math.max(...times)} ms`;
}

for (const way of ways) {
  for (const [i, runtime] of runtimes.entries()) {
    if (way.only !== undefined && way.only !== runtime) continue;
    test(`${runtime} ends by ${way.how}`, async () => {
      const took = await play(runtime, runtimes[(i + 1) % 3]!, way);
      console.log(`${runtime}, ${way.how}: noticed after ${took}`);
    });
  }
}

test("nobody is left to notice: the next starter cleans up", async () => {
  const directory = newDirectory();
  for (const runtime of runtimes) {
    const alone = await new Puppet(runtime, directory).up();
    await alone.do("open", { kind: "channel", name: "alone" });
    await alone.do("open", { kind: "server", name: "alone too" });
    alone.kill("SIGTERM");
    await alone.ended;
    assert.notDeepEqual(filesIn(directory), []);
    const next = await new Puppet(runtime, directory).up();
    await next.do("open", { kind: "channel", name: "another" });
    await next.finish();
    assert.deepEqual(filesIn(directory), []);
  }
  removeDirectory(directory);
});

test("a child process doesn't keep its parent's lease", async () => {
  for (const [i, runtime] of runtimes.entries()) {
    const directory = newDirectory();
    const [parent, survivor] = await Promise.all([
      new Puppet(runtime, directory).up(),
      new Puppet(runtimes[(i + 1) % 3]!, directory).up(),
    ]);
    for (const puppet of [parent, survivor]) {
      await puppet.do("open", { kind: "channel", name: "c" });
    }
    await survivor.do("request", { on: "c" });
    const child = await parent.do("spawn", { seconds: 60 });
    await survivor.do("start", { key: "held", on: "c", hold: true, timeout: "never" });
    const at = Date.now();
    parent.kill();
    await assert.rejects(survivor.do("await", { key: "held" }, 10_000), { name: "PeerGoneError" });
    console.log(`${runtime}, killed while its child lives: noticed after ${Date.now() - at} ms`);
    assert.ok(process.kill(child, 0), "the child lives");
    process.kill(child, "SIGKILL");
    await survivor.finish();
    assert.deepEqual(filesIn(directory), []);
    removeDirectory(directory);
  }
});

/**
 * Deno frees callbacks when an uncaught error ends it, without a word before: if the watcher calls in
 * that moment, the process ends with SIGSEGV or SIGABRT in Deno's own code, not with code 1.
 */
function mayCrash(runtime: Runtime, order: string): boolean {
  return runtime === "deno" && (order === "throw" || order === "reject");
}

test("they end while their doorbell rings", async () => {
  const directory = newDirectory();
  const ringing = await new Puppet("node", directory).up();
  const orders = ["throw", "reject", "fallOff", "exit"];
  await ringing.do("open", { kind: "channel", name: "rung" });
  const failed: string[] = [];
  for (let i = 0; i < 3 * runtimes.length * orders.length; i++) {
    const runtime = runtimes[i % 3]!;
    const order = orders[Math.floor(i / 3) % orders.length]!;
    const ending = await new Puppet(runtime, directory).up();
    await ending.do("open", { kind: "channel", name: "rung" });
    await ringing.do("ring", { on: "rung", every: 1 });
    await sleep(10);
    if (order === "fallOff") fallOff(ending);
    else ending.post(order, { code: 1 });
    const how = await endOf(ending, order);
    const wrong = how !== (order === "fallOff" ? 0 : 1);
    if (wrong && mayCrash(runtime, order)) console.log(`${runtime} ${order}: ${how}`);
    else if (wrong) failed.push(`${runtime} ${order}: ${how}`);
  }
  await ringing.finish();
  assert.deepEqual(failed, []);
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
});
