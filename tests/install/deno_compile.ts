// Whether `deno compile` works here. Its executables contain a runtime of their own, `denort`, that
// Deno downloads from its own server when it is first needed; npm has no package of it.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { deno } from "../../tools/toolchain.mjs";
import { runProgram } from "./program.ts";

async function tryToCompile(): Promise<string | false> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-denort-"));
  try {
    fs.writeFileSync(path.join(folder, "empty.ts"), "");
    const env = { ...process.env as Record<string, string>, HOME: folder };
    const { code, stderr } = await runProgram(
      [deno, "compile", "--output", "empty", "empty.ts"],
      { cwd: folder, env },
    );
    if (code === 0) return false;
    const reason = stderr.split("\n").find((line) => line.includes("denort")) ?? stderr;
    return `deno compile has no runtime to put into the executable: ${reason.trim()}`;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Why an executable can't be made here, or false. */
export const denortMissing: string | false = await tryToCompile();
