// A worker that is terminated without closing counts as dead, like a process: also while it is busy,
// and while it is blocked in a call. This process is the partner of all of them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import readline from "node:readline";
import { test } from "node:test";
import { type Answer, Channel } from "../../mod.ts";
import { commandOf, type Runtime, runtimes } from "../../tools/runtimes.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";
import { within } from "../support/watchdog.ts";

/** Rung: messages come all the time, so that its doorbell rings while it ends. */
const all = ["idle", "calling", "rung", "busy", "blocked"];
/**
 * Deno frees a worker's callbacks before its thread ends, without a word to anybody: a callback from
 * the watcher's thread in that moment ends the whole process with SIGSEGV or SIGABRT, in Deno's own
 * code. A worker of Deno has to close what it opened before it is terminated.
 */
const statesOf = {
  deno: all.filter((state) => state !== "rung" && state !== "calling"),
  bun: all,
  node: all,
};
const ROUNDS = Number(process.env["CAUSEWAY_ROUNDS"] ?? 5);

interface Line {
  terminated?: string;
  returned?: string;
  at?: number;
  after?: number;
  descriptors?: number;
  segments?: number;
  threads?: number;
  bystander?: string;
  end?: boolean;
}

async function play(runtime: Runtime): Promise<void> {
  const states = statesOf[runtime];
  const directory = newDirectory();
  const program = path.join(import.meta.dirname, "worker_host.ts");
  const [file, ...args] = commandOf(runtime, program, { gc: true });
  const host = spawn(file, [...args, String(ROUNDS * states.length)], {
    env: { ...process.env, CAUSEWAY_DIR: directory },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  host.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  const ended = new Promise<number | string>((resolve) =>
    host.once("exit", (code, signal) => resolve(signal ?? code!))
  );
  const endedEarly = ended.then((how): never => {
    throw new Error(`the ${runtime} host ended: ${how}, ${errors}`);
  });
  endedEarly.catch(() => {});
  const lines: Line[] = [];
  readline.createInterface({ input: host.stdout }).on("line", (line) => {
    lines.push(JSON.parse(line));
  });
  const said = async (what: (line: Line) => unknown): Promise<Line> => {
    for (const start = Date.now(); Date.now() - start < 15_000;) {
      const found = lines.find(what);
      if (found !== undefined) return lines.splice(lines.indexOf(found), 1)[0]!;
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 2)), endedEarly]);
    }
    throw new Error(`the ${runtime} host says nothing ${errors}`);
  };

  const noted: string[] = [];
  const counts: Line[] = [];
  let state = "";
  let gone = Promise.withResolvers<{ reason: string; at: number }>();
  const channel = await Channel.open("worker", {
    directory,
    onRequest: (bytes): Answer => {
      if (bytes![0] === 1) return new TextEncoder().encode(state);
      return bytes![0] === 2 ? new Promise<Uint8Array>(() => {}) : bytes;
    },
    onDisconnect: (reason) => gone.resolve({ reason, at: Date.now() }),
  });
  const ringing = setInterval(() => {
    if (state === "rung" && channel.isConnected) channel.send(new Uint8Array([4]));
  }, 1);
  try {
    for (let i = 0; i < ROUNDS * states.length; i++) {
      state = states[i % states.length]!;
      gone = Promise.withResolvers();
      await Promise.race([channel.whenConnected({ timeout: 15_000 }), endedEarly]);
      const { at } = await said(({ terminated }) => terminated === state);
      const { reason, at: noticed } = await within(gone.promise, `${state} to be noticed`, 15_000);
      const returned = await said((line) => line.returned === state);
      counts.push(returned);
      noted.push(`${state} ${noticed - at!} ms`);
      assert.equal(reason, "died");
      fs.writeFileSync(`${directory}.noticed-${i}`, "");
    }
    assert.equal((await said((line) => line.bystander !== undefined)).bystander, "open");
    await said((line) => line.end);
    assert.equal(await within(ended, `the ${runtime} host to end`, 10_000), 0);
  } finally {
    console.log(`${runtime}: terminated workers noticed after: ${noted.join(", ")}`);
    const first = counts[states.length - 1];
    const last = counts.at(-1);
    console.log(
      `${runtime}: after ${states.length}: ${JSON.stringify(first)}; after all: ${
        JSON.stringify(last)
      }`,
    );
    clearInterval(ringing);
    host.kill("SIGKILL");
    await ended;
    await channel.close();
    for (let i = 0; i < ROUNDS * states.length; i++) {
      fs.rmSync(`${directory}.noticed-${i}`, { force: true });
    }
  }
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
  assert.equal(errors, "");
}

for (const runtime of runtimes) {
  test(`${runtime}: a worker that is terminated is dead for its partner`, () => play(runtime));
}
