// What a result was measured on.

import { execFileSync } from "node:child_process";
import os from "node:os";
import process from "node:process";
import { binaries } from "../../tools/runtimes.ts";

export function machine(): Record<string, unknown> {
  const cpus = os.cpus();
  const version = (runtime: keyof typeof binaries) =>
    execFileSync(binaries[runtime], ["--version"], { encoding: "utf8" }).split("\n")[0]!;
  return {
    date: new Date().toISOString(),
    system: `${os.type()} ${os.release()} ${process.arch}`,
    cpu: cpus[0]?.model.trim(),
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    /** Others at work disturb the figures: on an idle machine it is near zero. */
    load: os.loadavg().map((value) => Number(value.toFixed(2))),
    runtimes: {
      deno: version("deno"),
      bun: `bun ${version("bun")}`,
      node: `node ${version("node")}`,
    },
  };
}
