// What can two processes do on this machine at best? In C, with nothing around it: what the figures
// of the same run are to be compared with.

import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { hasZig, root, zig } from "../tools/toolchain.mjs";
import { gigabytesPerSecond, LATENCY, nanoseconds } from "./harness/question.ts";
import type { MachineQuestion, Measured, Rounds, Row } from "./harness/question.ts";

const SOURCE = path.join(root, "bench/native/floors.c");
const PROGRAM = path.join(root, "build/bench/floors");
const FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"];

const copied: Pick<Row, "metrics" | "unit"> = { metrics: ["bytes/s"], unit: gigabytesPerSecond };

export const question: MachineQuestion = {
  rows: [
    {
      asks: "floor: a cache line there and back, two processes in C",
      subject: "round trip",
      metrics: LATENCY,
      unit: nanoseconds,
    },
    ...["64 KiB", "1 MiB", "16 MiB"].map((size): Row => ({
      ...copied,
      asks: `floor: memcpy of ${size}`,
      subject: `memcpy ${size}`,
    })),
    {
      ...copied,
      asks: "floor: a ring of 1 MiB, copied in and out, two processes in C",
      subject: "ring",
    },
  ],

  missing() {
    if (process.platform === "win32") return "the program in C forks, which Windows can't";
    return hasZig() ? undefined : "no Zig for this host, which compiles the program";
  },

  measure({ quick }) {
    compile();
    const [count, milliseconds] = quick ? [3, 60] : [9, 300];
    const rounds: Rounds = {};
    for (let round = 0; round < count; round++) {
      const text = execFileSync(PROGRAM, [String(milliseconds)], { encoding: "utf8" });
      for (const [subject, measured] of Object.entries(JSON.parse(text))) {
        (rounds[subject] ??= []).push(measured as Measured);
      }
    }
    return Promise.resolve(rounds);
  },
};

/** Zig has a cache: what is up to date takes no time. */
function compile(): void {
  fs.mkdirSync(path.dirname(PROGRAM), { recursive: true });
  const args = ["cc", ...FLAGS, SOURCE, "-o", PROGRAM];
  const { status, stderr } = spawnSync(zig, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`zig ${args.join(" ")} failed:\n${stderr}`);
}
