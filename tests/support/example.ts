// Runs programs of examples/.

import assert from "node:assert/strict";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../tools/toolchain.mjs";
import { run, runtimeCommand } from "./process.ts";
import { Scratch } from "./scratch.ts";

/** Runs a program in this runtime, in a directory of its own, and returns what it said. */
export async function runExample(program: string, args: string[] = []): Promise<string> {
  using scratch = new Scratch();
  const url = pathToFileURL(path.join(root, "examples", program));
  const { code, stdout, stderr } = await run([...runtimeCommand(url), ...args], {
    CAUSEWAY_DIR: scratch.path,
  });
  assert.equal(code, 0, `${program}: ${stderr}\n${stdout}`);
  return stdout;
}
