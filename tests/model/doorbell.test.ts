/**
 * Runs the model of the doorbell (`doorbell.pml`) through the model checker
 * `spin`: every configuration of the protocol must pass, and every mutation of
 * it must be found.
 *
 * With `CAUSEWAY_MODEL_FULL` set, larger configurations are checked as well
 * (some minutes, some gigabytes).
 */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MODEL = fileURLToPath(new URL("./doorbell.pml", import.meta.url));

/** A run that takes longer than this has gone astray. */
const WATCHDOG_MS = 240_000;

type Mode = "safety" | "liveness";

interface Configuration {
  readonly name: string;
  readonly definitions: string;
  readonly modes: readonly Mode[];
  /** More definitions for the liveness check, which is several times as much work. */
  readonly liveness?: string;
  /** It pays to optimise the checker: the compiler takes a few seconds for that. */
  readonly heavy?: true;
  readonly large?: true;
}

const both: readonly Mode[] = ["safety", "liveness"];
const safety: readonly Mode[] = ["safety"];

// SPURIOUS=0 leaves out the sleepers' waking for no reason, which about doubles
// a configuration; the smaller ones keep it.
const configurations = {
  eventLoop: {
    name: "1: one producer, one consumer parked by its event loop",
    definitions: "CONFIG=1",
    modes: both,
  },
  endless: {
    name: "1: the same, endless traffic",
    definitions: "CONFIG=1 FOREVER SPURIOUS=0",
    modes: both,
  },
  blocking: {
    name: "2: consumer in blocking calls",
    definitions: "CONFIG=2 SOURCES=1 N1=0",
    liveness: "SPURIOUS=0",
    modes: both,
  },
  mixed: {
    name: "2: a blocking call on one source, the event loop serves another",
    definitions: "CONFIG=2 N0=1 TIMERS0=1 SPURIOUS=0",
    modes: safety,
    heavy: true,
  },
  request: {
    name: "3: request and response by event loops",
    definitions: "CONFIG=3 N0=1 TIMERS0=0 TIMERS1=0",
    liveness: "SPURIOUS=0",
    modes: both,
  },
  requestBlockingClient: {
    name: "3: request and response, the requesting side may block",
    definitions: "CONFIG=3 N0=1 TIMERS1=0 SPURIOUS=0",
    modes: safety,
    heavy: true,
  },
  requestBlockingServer: {
    name: "3: request and response, the responding side may block",
    definitions: "CONFIG=3 N0=1 TIMERS0=0 SPURIOUS=0",
    modes: safety,
    heavy: true,
  },
  requestBlockingBoth: {
    name: "3: request and response, both sides may block",
    definitions: "CONFIG=3 N0=1 SPURIOUS=0 LOOP_ONLY",
    modes: safety,
    heavy: true,
  },
  twoProducers: {
    name: "4: two producers on two sources with one leaf word",
    definitions: "CONFIG=4 N0=1 N1=1",
    liveness: "SPURIOUS=0",
    modes: both,
  },
  twoWords: {
    name: "4: two producers on two sources with two leaf words",
    definitions: "CONFIG=4 N0=1 N1=1 SPLIT",
    modes: safety,
  },
  threeLevels: {
    name: "4: two producers, a bitmap of three levels",
    definitions: "CONFIG=4 N0=1 N1=1 LEVELS3",
    modes: safety,
  },
  fullRing: {
    name: "5: a full ring, its producer parked or blocked",
    definitions: "CONFIG=5 DRAIN",
    liveness: "SPURIOUS=0",
    modes: both,
  },
  fullRingEndless: {
    name: "5: a full ring, endless traffic",
    definitions: "CONFIG=5 DRAIN FOREVER TIMERS0=0 TIMERS1=0 SPURIOUS=0",
    modes: both,
  },
  fullRingNodes: {
    name: "5: a full ring between two nodes",
    definitions: "CONFIG=5 N0=2 TIMERS0=0 TIMERS1=0 SPURIOUS=0",
    modes: safety,
  },
  closing: {
    name: "6: close while others ring",
    definitions: "CONFIG=6 N0=1",
    liveness: "SPURIOUS=0",
    modes: both,
  },
  death: {
    name: "7: the notice of a death",
    definitions: "CONFIG=7",
    liveness: "SPURIOUS=0 TIMERS0=0",
    modes: both,
  },
  killed: {
    name: "8: a ringer is killed at any moment",
    definitions: "CONFIG=8 N0=0",
    liveness: "SPURIOUS=0",
    modes: both,
  },
  killedBesideOther: {
    name: "8: a ringer is killed beside another one",
    definitions: "CONFIG=8 SPURIOUS=0 TIMERS0=0",
    modes: safety,
    heavy: true,
  },

  largeMixed: {
    name: "2: mixed, spurious wake-ups",
    definitions: "CONFIG=2 N0=1 TIMERS0=1",
    modes: safety,
    large: true,
  },
  largeRequest: {
    name: "3: request and response, two requests on the way",
    definitions: "CONFIG=3 TIMERS0=0 TIMERS1=0 SPURIOUS=0",
    modes: safety,
    large: true,
  },
  largeRequestBlocking: {
    name: "3: request and response, both sides may block at any moment",
    definitions: "CONFIG=3 N0=1 SPURIOUS=0",
    modes: safety,
    large: true,
  },
  largeTwoProducers: {
    name: "4: two producers, two records each",
    definitions: "CONFIG=4 SPURIOUS=0",
    modes: safety,
    large: true,
  },
  largeFullRing: {
    name: "5: a full ring between two nodes, the producer may block",
    definitions: "CONFIG=5 N0=2 TIMERS1=0 SPURIOUS=0",
    modes: safety,
    large: true,
  },
  largeFullRingConsumer: {
    name: "5: a full ring between two nodes, the consumer may block",
    definitions: "CONFIG=5 N0=2 TIMERS0=0 SPURIOUS=0",
    modes: safety,
    large: true,
  },
} satisfies Record<string, Configuration>;

type Where = keyof typeof configurations;

/** Each must be found in a configuration that passes without it. */
const mutations: readonly (readonly [definition: string, where: Where, what: string])[] = [
  ["M_ARM_NO_LOOK", "eventLoop", "no second look after arming"],
  ["M_PARK_NO_LOOK", "eventLoop", "no second look after PARKED"],
  ["M_NO_FIRST_TURN", "eventLoop", "a node begins without a turn"],
  ["M_WATCHER_NO_EXPECT", "eventLoop", "the watcher waits without an expected value"],
  ["M_WATCHER_STORE", "eventLoop", "the watcher stores AWAKE instead of exchanging it for RUNG"],
  ["M_LEAF_LAST", "eventLoop", "the ringer sets the leaf after the word above"],
  ["M_TOP_LAST", "eventLoop", "the owner takes the bits from the leaf upwards"],
  ["M_CLEAR_AFTER_POLL", "eventLoop", "the owner clears the bits after polling"],
  [
    "M_FLAG_BEFORE_TAIL",
    "eventLoop",
    "the producer looks at consumerWaiting before it stores tail",
  ],
  ["M_FLAG_AFTER_RING", "eventLoop", "the producer clears consumerWaiting after it rang"],
  ["M_WAKE_FIRST", "eventLoop", "the ringer wakes the watcher before it changes the bell"],
  ["M_RING_STORE", "eventLoop", "the ringer stores RUNG instead of exchanging it for PARKED"],
  ["M_BLOCK_NO_LOOK", "blocking", "no second look after BLOCKED"],
  ["M_BLOCK_NO_EXPECT", "blocking", "the owner waits without an expected value"],
  ["M_NO_COUNT", "blocking", "the ringer wakes the owner without changing the block counter"],
  ["M_WAKE_BEFORE_COUNT", "blocking", "the ringer wakes the owner before it changes the counter"],
  ["M_COUNT_LATE", "blocking", "the owner loads the counter after its second look"],
  [
    "M_COUNT_BETWEEN",
    "blocking",
    "the owner loads the counter between BLOCKED and its second look",
  ],
  ["M_NO_TURN_AFTER_BLOCK", "mixed", "no turn after a blocking call"],
  ["M_PRODUCER_NO_LOOK", "fullRing", "the producer of a full ring looks not again"],
  ["M_FLAG_BEFORE_HEAD", "fullRing", "the consumer looks at producerWaiting before it stores head"],
  ["M_PARK_AFTER_CLOSE", "closing", "a turn that closed parks at its end"],
  [
    "M_SYNC_CALLBACK",
    "closing",
    "the watcher's callback waits for the owner, which waits for the watcher",
  ],
  ["M_DEATHS_NO_LOOK", "death", "the second look leaves out the deaths"],
  ["M_TICK_AS_RINGER", "killed", "the notice of a death wakes only as a ringer does"],
  [
    "M_SKIP_TOP",
    "killedBesideOther",
    "the ringer leaves the word above alone if the leaf is not empty",
  ],
];

/** Changes that do no harm; the model says why. */
const harmless: readonly (readonly [definition: string, where: Where, what: string])[] = [
  ["H_FLAG_KEPT", "eventLoop", "the producer leaves consumerWaiting set"],
  ["H_STAY_PARKED", "eventLoop", "the owner goes on without taking PARKED back"],
  ["H_STAY_BLOCKED", "blocking", "the owner goes on without taking BLOCKED back"],
];

type Size = "small" | "heavy" | "large";

interface Outcome {
  readonly errors: number;
  readonly trail: boolean;
  readonly states: number;
  readonly seconds: number;
  readonly output: string;
}

/** Runs a program with a watchdog; its output, or an error with its output. */
function run(directory: string, program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      cwd: directory,
      timeout: WATCHDOG_MS,
      killSignal: "SIGKILL" as const,
      maxBuffer: 1 << 24,
    };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (error === null) resolve(output);
      else reject(new Error(`${program} ${args.join(" ")}: ${error.message}\n${output}`));
    });
  });
}

async function check(mode: Mode, definitions: string, size: Size): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "causeway-model-"));
  try {
    const defined = definitions.split(" ").map((definition) => `-D${definition}`);
    await run(directory, "spin", [...defined, "-a", MODEL]);
    // COLLAPSE: states take half the memory and a quarter more time. REVERSE only changes the
    // order of the search: it finds the mutations sooner.
    const compiled = mode === "safety"
      ? ["-DSAFETY", "-DNOCLAIM", "-DREVERSE", "-DCOLLAPSE"]
      : ["-DNFAIR=3"];
    await run(directory, "gcc", [
      size === "small" ? "-O0" : "-O1",
      "-w",
      `-DMEMLIM=${size === "large" ? 12_000 : 1_900}`,
      ...compiled,
      "-o",
      "pan",
      "pan.c",
    ]);
    const started = performance.now();
    const output = await run(directory, join(directory, "pan"), [
      ...(mode === "safety" ? [] : ["-a", "-f"]),
      "-m1000000",
      "-w22",
    ]);
    const seconds = (performance.now() - started) / 1000;
    const errors = /errors: (\d+)/.exec(output);
    const states = /([\d.e+]+) states, stored/.exec(output);
    assert.ok(errors !== null && states !== null, output);
    // A search that was cut short proves nothing.
    assert.doesNotMatch(
      output,
      /max search depth too small|out of memory|Search not completed[^]*errors: 0/,
    );
    return {
      errors: Number(errors[1]),
      trail: existsSync(join(directory, "doorbell.pml.trail")),
      states: Number(states[1]),
      seconds,
      output,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function passes(mode: Mode, definitions: string, size: Size): Promise<void> {
  const { errors, states, seconds, output } = await check(mode, definitions, size);
  console.log(`# ${definitions}: ${mode}, ${states} states, ${seconds.toFixed(1)} s`);
  assert.equal(errors, 0, output);
}

/** Why nothing can be checked here, or false. */
function missing(): string | false {
  if (spawnSync("spin", ["-V"]).status !== 0) {
    return "spin is not installed: apt-get install spin";
  }
  if (spawnSync("gcc", ["--version"]).status !== 0) {
    return "gcc is not installed: apt-get install gcc";
  }
  return false;
}

const reason = missing();

if (reason !== false && process.env["CI"] !== undefined) {
  test("the model of the doorbell", () => {
    assert.fail(reason);
  });
} else {
  // Compiling and searching are work for one core each.
  describe("the doorbell", { concurrency: availableParallelism() }, () => {
    const skip = reason;
    const full = process.env["CAUSEWAY_MODEL_FULL"] !== undefined;

    for (const configuration of Object.values<Configuration>(configurations)) {
      const { name, definitions, modes, liveness, heavy, large } = configuration;
      if (large && !full) continue;
      for (const mode of modes) {
        test(`${name}: ${mode}`, { skip }, async () => {
          const all = mode === "liveness" && liveness !== undefined
            ? `${definitions} ${liveness}`
            : definitions;
          await passes(
            mode,
            all,
            large ? "large" : heavy || mode === "liveness" ? "heavy" : "small",
          );
        });
      }
    }

    for (const [definition, where, what] of mutations) {
      test(`found: ${what} (${definition})`, { skip }, async () => {
        const { definitions: unbroken, heavy }: Configuration = configurations[where];
        const definitions = `${unbroken} ${definition}`;
        const { errors, trail, output } = await check(
          "safety",
          definitions,
          heavy ? "heavy" : "small",
        );
        assert.ok(errors > 0 && trail, `${definition} was not found:\n${output}`);
        assert.match(output, /assertion violated|invalid end state/);
      });
    }

    for (const [definition, where, what] of harmless) {
      test(`harmless: ${what} (${definition})`, { skip }, async () => {
        await passes("safety", `${configurations[where].definitions} ${definition}`, "small");
      });
    }
  });
}
