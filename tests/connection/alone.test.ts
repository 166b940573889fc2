import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { runtimeCommand } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

test("a message that waits for a partner doesn't keep the process alive", () => {
  using scratch = new Scratch();
  const program = new URL("./alone_program.ts", import.meta.url);
  const [file, ...args] = [...runtimeCommand(program), scratch.path];
  const said = execFileSync(file!, args, { encoding: "utf8", timeout: 30_000 });
  assert.equal(said.trim(), "false");
  assert.deepEqual(scratch.files(), []);
});
