// kill -9 of either side at any moment, many times at random. One survivor per runtime lives through
// the deaths of partners in all runtimes: channel partners, its own clients, the server it uses.
//
// CAUSEWAY_KILLS sets how many, CAUSEWAY_SEED repeats a run's choices.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Puppet, type Runtime, runtimes } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";

const kills = Number(process.env["CAUSEWAY_KILLS"] ?? 1000);
const seed = Number(process.env["CAUSEWAY_SEED"] ?? Date.now() % 1_000_000);
/** What users may expect, in ms: how many took longer is printed. A busy machine is no failure. */
const NOTICED_WITHIN = 1000;
/** After so many ms it was not noticed. */
const LOST_AFTER = 30_000;
/** Victims that are started while others are being killed. */
const AHEAD = 2;

/** What the victim is: a channel's other side, a client of the survivor's server, or its server. */
const kinds = ["channel", "client", "server"] as const;
const phases = ["opening", "calling", "calling", "closing"] as const;
const modes = ["awaited", "blocking", "flight", "pieces"] as const;

interface Round {
  victim: Runtime;
  kind: typeof kinds[number];
  phase: typeof phases[number];
  mode: typeof modes[number];
  /** When to kill, in ms after the phase began. */
  delay: number;
  /** Whether the victim calls as well where the survivor does. */
  both: boolean;
}

interface Settled {
  noticed: boolean;
  connected: boolean;
  reason?: string;
  /** ms from the kill until the last of what waited for the victim was told. */
  after?: number;
  /** ms from the kill until the system had ended the process, as its parent saw it. */
  endedAfter?: number;
  rejected: number;
  calls: number;
  unexpected: string[];
  errors: string;
}

/** Mulberry32: small, seedable, good enough to choose moments. */
function randomFrom(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(seed);
const choose = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

/** How long a phase lasts, about, in ms: kills fall anywhere into it and a little beyond. */
const lasts = { opening: 25, calling: 25, closing: 4 };

function plan(count: number): Round[] {
  return Array.from({ length: count }, (_, i) => {
    const phase = choose(phases);
    return {
      victim: runtimes[i % 3]!,
      kind: choose(kinds),
      phase,
      mode: choose(modes),
      delay: random() * lasts[phase],
      both: random() < 0.5,
    };
  });
}

const names = { channel: "chan", client: "survivor", server: "victim" } as const;

/** The names of the dead are free at once: whoever comes next is connected. */
async function connected(victim: Puppet): Promise<void> {
  const start = performance.now();
  while (!(await victim.do("state", { on: "it" })).connected) {
    if (performance.now() - start > LOST_AFTER) throw new Error("the next one isn't connected");
    await sleep(1);
  }
  connections.push(performance.now() - start);
}

function open(puppet: Puppet, { kind }: Round): Promise<unknown> {
  return puppet.do("open", { as: "it", kind, name: names[kind] });
}

/** Timers have a resolution of a millisecond; what is left is spun away. */
async function wait(ms: number): Promise<void> {
  const end = performance.now() + ms;
  if (ms > 2) await sleep(ms - 2);
  while (performance.now() < end);
}

async function playRound(survivor: Puppet, victim: Puppet, round: Round): Promise<Settled> {
  const { kind, phase, mode } = round;
  const on = names[kind];
  await survivor.do("forget", { on });
  // A server doesn't call its clients: then the victim does.
  if (kind !== "client") survivor.post("traffic", { on, mode });
  if (phase === "opening") {
    victim.post("open", { as: "it", kind, name: on });
  } else {
    await open(victim, round);
    await connected(victim);
    if (kind === "client" || (kind === "channel" && round.both)) {
      victim.post("traffic", { on: "it", mode });
    }
    if (phase === "closing") victim.post("close", { on: "it" });
  }
  await wait(round.delay);
  const killedAt = Date.now();
  victim.kill();
  const ended = victim.ended.then(() => Date.now() - killedAt);
  const order = { on, killedAt, patience: LOST_AFTER };
  const settled: Settled = await survivor.do("settled", order, 2 * LOST_AFTER);
  return { ...settled, endedAfter: await ended };
}

/** The survivor has one of each open, all the time. */
async function startSurvivor(runtime: Runtime, directory: string): Promise<Puppet> {
  const survivor = await new Puppet(runtime, directory).up();
  await survivor.do("open", { kind: "channel", name: names.channel });
  await survivor.do("open", { kind: "server", name: names.client });
  await survivor.do("open", { kind: "client", name: names.server, wait: false });
  const first = await new Puppet(runtime, directory).up();
  await first.do("open", { kind: "server", name: names.server });
  while (await survivor.do("state", { on: names.server }) === undefined) await sleep(5);
  await first.die();
  await survivor.do("settled", { on: names.server, killedAt: 0, patience: LOST_AFTER });
  return survivor;
}

/** With nobody else there: its node, its server, and two invitations. */
const OWN_FILES = 4;

async function checkQuiet(survivor: Puppet, directory: string): Promise<Record<string, number>> {
  // Of those killed before anybody knew them, whoever starts next removes what they left.
  const next = await new Puppet("node", directory).up();
  await next.do("open", { kind: "server", name: "unrelated" });
  await next.finish();
  const files = filesIn(directory).filter((file) => !file.endsWith("unrelated"));
  const own = files.filter((file) => /(join|server)-|nodes\//.test(file));
  assert.equal(own.length, OWN_FILES, `left behind by the dead: ${files.join(", ")}`);
  return await survivor.do("resources", { mapped: directory });
}

const times: number[] = [];
/** What of these times came after the process's end. */
const shares: number[] = [];
/** How long the next one was there before it was connected, ms. */
const connections: number[] = [];
let rejected = 0;
let known = 0;

for (const [i, runtime] of runtimes.entries()) {
  const count = Math.floor((kills + i) / runtimes.length);
  test(`${runtime} survives ${count} partners killed at random (seed ${seed})`, async () => {
    const directory = newDirectory();
    const rounds = plan(count);
    const survivor = await startSurvivor(runtime, directory);
    const ahead: Puppet[] = [];
    const warm = Math.ceil(count / 4);
    let early: Record<string, number> = {};
    const start = performance.now();
    for (const [at, round] of rounds.entries()) {
      if (at === warm) early = await checkQuiet(survivor, directory);
      while (ahead.length < Math.min(AHEAD, count - at)) {
        ahead.push(new Puppet(rounds[at + ahead.length]!.victim, directory));
      }
      const victim = await ahead.shift()!.up();
      const what = `kill ${at} of ${runtime}'s ${JSON.stringify(round)}`;
      const result = await playRound(survivor, victim, round).catch((error) => {
        throw new Error(`${what}: ${error.message}\n${survivor.errors}`);
      });
      const told = `${what}: ${JSON.stringify(result)}`;
      assert.ok(result.noticed, `not noticed: ${told}`);
      assert.deepEqual(result.unexpected, [], told);
      assert.equal(result.errors, "", told);
      if (result.connected) known++;
      rejected += result.rejected;
      if (result.after !== undefined) times.push(result.after);
      if (result.after !== undefined) shares.push(Math.max(0, result.after - result.endedAfter!));
      assert.equal(victim.errors, "", told);
    }
    const seconds = (performance.now() - start) / 1000;
    const now = await checkQuiet(survivor, directory);
    const print = (of: Record<string, number>) =>
      `${of["live"]!.toFixed(1)} MB live, ${of["rss"]!.toFixed(0)} resident, ${
        of["segments"]
      } segments, ${of["descriptors"]} descriptors, ` +
      `${of["threads"]} threads`;
    console.log(
      `${runtime}: ${count} kills in ${seconds.toFixed(0)} s; ${print(early)} after ` +
        `${warm}, ${print(now)} after all`,
    );
    assert.equal(now["segments"], early["segments"], "segments stay mapped");
    assert.ok(now["descriptors"]! <= early["descriptors"]! + 1, "descriptors stay open");
    assert.ok(now["threads"]! <= early["threads"]! + 2, "threads stay");
    // What the collector leaves. Resident memory depends on when it last gave some back.
    assert.ok(
      now["live"]! <= early["live"]! + 8,
      `memory grows by ${now["live"]! - early["live"]!}`,
    );
    assert.equal(survivor.errors, "");
    await survivor.finish();
    assert.deepEqual(filesIn(directory), []);
    removeDirectory(directory);
  });
}

test("how soon they noticed", () => {
  const over = times.filter((ms) => ms > NOTICED_WITHIN).length;
  console.log(
    `${times.length} deaths noticed of ${known} that were connected, ${rejected} calls rejected\n` +
      `from the kill:            ${distribution(times)}; ${over} over a second\n` +
      `from the process's end:   ${distribution(shares)}\n` +
      `the next one's connection: ${distribution(connections.map(Math.round))}`,
  );
  assert.ok(times.length > 0);
});

function distribution(of: number[]): string {
  of.sort((a, b) => a - b);
  const at = (share: number) => of[Math.floor(share * (of.length - 1))];
  return `median ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}
