/**
 * Random work for a while: seeded, watched, and with every error accounted for.
 */
import { Worker } from "node:worker_threads";
import process from "node:process";
import { CausewayError } from "../../src/errors.ts";
import { Random } from "./random.ts";

/** Seconds for all of tests/fuzz under one runtime. */
const SECONDS = Number(process.env["CAUSEWAY_FUZZ_SECONDS"] ?? 90);
/** Tests that share them. */
const TESTS = 10;

/** Every run tries something else; CAUSEWAY_SEED repeats one. */
export const fuzzSeed = Number(process.env["CAUSEWAY_SEED"] ?? Date.now() % 1_000_000) >>> 0;

const uncaught: unknown[] = [];
process.on("uncaughtException", (error) => void uncaught.push(error));
process.on("unhandledRejection", (error) => void uncaught.push(error));

/** Runs rounds until the time is over. Each has a seed of its own, which an error names. */
export async function fuzz(
  round: (random: Random, alive: () => void) => Promise<void>,
): Promise<void> {
  console.log(`seed ${fuzzSeed} (repeat with CAUSEWAY_SEED=${fuzzSeed})`);
  const heart = new Int32Array(new SharedArrayBuffer(8));
  const watchdog = new Worker(new URL("./fuzz_watchdog.ts", import.meta.url), {
    workerData: { heart, pid: process.pid },
  });
  const end = performance.now() + (SECONDS / TESTS) * 1000;
  let rounds = 0;
  try {
    for (let seed = fuzzSeed; performance.now() < end; seed++) {
      Atomics.store(heart, 1, seed);
      const alive = (): void => void Atomics.add(heart, 0, 1);
      alive();
      try {
        await round(new Random(seed), alive);
        if (uncaught.length > 0) throw uncaught.splice(0)[0];
      } catch (cause) {
        // At once: what this round left open may keep the process from ending.
        console.error(`round ${seed} failed:`, cause);
        throw new Error(`round ${seed}: ${String(cause)} (CAUSEWAY_SEED=${seed})`, { cause });
      }
      rounds++;
    }
  } finally {
    await watchdog.terminate();
  }
  console.log(`${rounds} rounds`);
}

/** Ignores the library's own errors: they are what a hostile peer may cause. */
export function onlyOurs(error: unknown): void {
  if (!(error instanceof CausewayError)) throw error;
}

/** Changes memory as a broken or hostile process would. */
export function mutate(random: Random, words: Int32Array, from: number, to: number): void {
  const at = from + random.below(to - from);
  const old = Atomics.load(words, at);
  switch (random.below(5)) {
    case 0:
      Atomics.store(words, at, random.u32());
      break;
    case 1:
      Atomics.store(words, at, old ^ (1 << random.below(32)));
      break;
    case 2:
      Atomics.store(words, at, random.pick([0, 1, -1, 8, 4096, 4089, 0x7fff_ffff, 1 << 31]));
      break;
    case 3:
      Atomics.store(words, at, old + random.pick([-8, 8, -1, 1, 4096, -4096]));
      break;
    default:
      Atomics.store(words, at, random.below(64));
  }
}

/** A few turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
