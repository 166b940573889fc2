// The programs of tests/native, cross-compiled: each target's in a folder with the very library that
// is shipped for it.

import fs from "node:fs";
import path from "node:path";
import { hasZig, root, zig } from "../../tools/toolchain.mjs";
import { type Ended, run } from "../../tools/process.ts";

/** Why the programs can't be built, or false. */
export const noNativePrograms = hasZig() ? false : "there is no pinned Zig for this system";

let built: Promise<Ended> | undefined;

/** Builds those of all targets, once. Throws with what the compiler says. */
export async function buildNativePrograms(): Promise<void> {
  built ??= run([zig, "build", "native-tests"]);
  const { code, output } = await built;
  if (code !== 0) throw new Error(`zig build native-tests failed:\n${output}`);
}

/** Where the programs of a target are. */
export function nativeProgramFolder(target: string): string {
  return path.join(root, "build/native-tests", target);
}

/** The names of the tests in tests/native that are for every system but Windows. */
export function posixProgramNames(): string[] {
  const lists = fs.readFileSync(path.join(root, "tests/native/CMakeLists.txt"), "utf8");
  const [, names] = /^set\(tests ([^)]+)\)/m.exec(lists)!;
  return names!.split(/\s+/);
}
