// kill -9 of producers and consumers of a queue at any moment, and stops in between: each message
// whose enqueueing was finished is done once, nobody waits for the dead, nothing is left.
//
// CAUSEWAY_QUEUE_SECONDS sets for how long, CAUSEWAY_SEED repeats a run's choices.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Queue } from "../../mod.ts";
import { root } from "../../tools/toolchain.mjs";
import { peerCommand, runtimes } from "../support/peers.ts";
import { filesIn } from "../support/directories.ts";
import { within } from "../support/watchdog.ts";
import { Random } from "../support/random.ts";

const seconds = Number(process.env["CAUSEWAY_QUEUE_SECONDS"] ?? 60);
const seed = Number(process.env["CAUSEWAY_SEED"] ?? Date.now() % 1_000_000);
/** Seconds without any message done after which somebody is blocked. */
const BLOCKED_AFTER = 40;
const NAME = "crash";
const program = path.join(root, "tests/crash/queue_worker.ts");

type Role = "producer" | "take" | "dequeue";
const roles: Role[] = ["producer", "take", "producer", "dequeue", "producer", "take"];

interface Worker {
  id: string;
  role: Role;
  child: ChildProcess;
  log: string;
  killed: boolean;
  ended: Promise<unknown[]>;
}

const random = new Random(seed);
const logs = fs.mkdtempSync(path.join(os.tmpdir(), "queue-logs-"));
const all: Worker[] = [];

/** Starts one; it is ready when it says so. */
async function start(role: Role): Promise<Worker> {
  const id = `w${all.length}`;
  const log = path.join(logs, id);
  const [file, ...args] = peerCommand(random.pick(runtimes), program);
  const child = spawn(file, [...args, role, NAME, log, id], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin!.on("error", () => {});
  const worker = { id, role, child, log, killed: false, ended: once(child, "exit") };
  all.push(worker);
  const ready = once(child.stdout!, "data");
  await within(
    Promise.race([
      ready,
      worker.ended.then((how) => assert.fail(`${role} ${id} ended: ${how}`)),
    ]),
    "a worker to start",
    60_000,
  );
  return worker;
}

/** The lines of a log; the last may not be whole. */
function linesOf({ log }: Worker): string[][] {
  if (!fs.existsSync(log)) return [];
  return fs.readFileSync(log, "utf8").split("\n").slice(0, -1).map((line) => line.split(" "));
}

function logBytes(): number {
  return all.filter(({ role }) => role !== "producer")
    .reduce((sum, { log }) => sum + (fs.existsSync(log) ? fs.statSync(log).size : 0), 0);
}

async function kill(worker: Worker): Promise<void> {
  worker.killed = true;
  worker.child.kill("SIGKILL");
  await worker.ended;
}

async function end(worker: Worker): Promise<void> {
  worker.child.stdin!.end();
  const how = await within(worker.ended, "a worker to end", 60_000);
  assert.deepEqual(how, [0, null], `${worker.role} ${worker.id} ended badly`);
}

/** Kills, stops and replaces until the time is over; the workers that live then. */
async function disturb(): Promise<{ workers: Worker[]; kills: number }> {
  const workers = await Promise.all(roles.map(start));
  const until = performance.now() + seconds * 1000;
  let kills = 0;
  let progress = { bytes: 0, at: performance.now() };
  while (performance.now() < until) {
    await sleep(random.below(120));
    const index = random.below(workers.length);
    const victim = workers[index]!;
    if (random.below(4) === 0) {
      victim.child.kill("SIGSTOP");
      await sleep(random.below(300));
      if (random.below(2) === 0) victim.child.kill("SIGCONT");
      else await kill(victim);
    } else await kill(victim);
    if (victim.killed) {
      kills++;
      workers[index] = await start(victim.role);
    }
    const bytes = logBytes();
    const now = performance.now();
    if (bytes > progress.bytes) progress = { bytes, at: now };
    assert.ok(now - progress.at < BLOCKED_AFTER * 1000, `nothing is done for ${BLOCKED_AFTER} s`);
  }
  return { workers, kills };
}

/** What happened to a message. */
interface Fate {
  put: boolean;
  gots: Worker[];
  acks: number;
  deqs: number;
}

function fates(): Map<string, Fate> {
  const found = new Map<string, Fate>();
  const of = (id: string): Fate => {
    let fate = found.get(id);
    if (fate === undefined) found.set(id, fate = { put: false, gots: [], acks: 0, deqs: 0 });
    return fate;
  };
  for (const worker of all) {
    const last = new Map<string, number>();
    for (const [what, id, again] of linesOf(worker)) {
      const fate = of(id!);
      if (what === "put") fate.put = true;
      else if (what === "ack") fate.acks++;
      else if (what === "deq") fate.deqs++;
      else fate.gots.push(worker);
      if (what !== "got" || again === "true") continue;
      const [producer, n] = id!.split(":") as [string, string];
      assert.ok(Number(n) > (last.get(producer) ?? -1), `${id} after ${last.get(producer)}`);
      last.set(producer, Number(n));
    }
  }
  return found;
}

test(`random deaths of producers and consumers for ${seconds} s, seed ${seed}`, async () => {
  const queue = await Queue.open<{ id: string }>(NAME, { capacity: 1 << 16 });
  const { workers, kills } = await disturb();
  const producers = workers.filter(({ role }) => role === "producer");
  for (const worker of workers) worker.child.kill("SIGCONT");
  await Promise.all(producers.map(end));
  await Promise.all(workers.filter((worker) => !producers.includes(worker)).map(end));
  const left: string[] = [];
  for (let value = queue.tryDequeue(); value !== undefined; value = queue.tryDequeue()) {
    left.push(value.id);
  }
  // All room is there again: nobody who died holds any.
  let whole = 0;
  while (queue.tryEnqueue({ id: "x".repeat(queue.maxMessageBytes - 20) })) whole++;
  assert.equal(whole, 32);
  await queue.close();
  const messages = fates();
  for (const id of left) messages.get(id) && messages.get(id)!.deqs++;
  let lost = 0;
  let twice = 0;
  for (const [id, { put, gots, acks, deqs }] of messages) {
    assert.ok(acks + deqs <= 1, `${id} was done ${acks + deqs} times`);
    if (gots.length > 1) twice++;
    if (acks + deqs === 1) continue;
    // Acknowledged, but killed before that was written; or dequeued, and killed then.
    if (gots.some(({ killed }) => killed)) continue;
    if (put) lost++;
  }
  const dequeuers = all.filter(({ role, killed }) => killed && role === "dequeue").length;
  console.log(
    `${kills} kills, ${messages.size} messages, ${twice} delivered more than once before they ` +
      `were done, ${lost} lost by ${dequeuers} who died while they dequeued`,
  );
  assert.ok(lost <= dequeuers, `${lost} messages are lost`);
  assert.ok(messages.size > 0);
  assert.deepEqual(filesIn(), []);
  fs.rmSync(logs, { recursive: true });
});
