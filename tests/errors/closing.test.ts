// Closing, and opening that fails, leaves nothing behind: no descriptor, mapping or file, also
// where descriptors are short at any step.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import { openings } from "../support/openings.ts";
import { runtimeCommand } from "../support/process.ts";

const skip = !fs.existsSync("/proc/self/fd") && "there is no /proc to count descriptors in";
const program = new URL("./closing_program.ts", import.meta.url);

test("nothing stays of what is opened and closed when descriptors are short", { skip }, () => {
  const command = runtimeCommand(program).map((part) => `'${part}'`).join(" ");
  const said = execFileSync("sh", ["-c", `ulimit -n 160; exec ${command}`], {
    encoding: "utf8",
    timeout: 50_000,
  });
  const lines = said.trim().split("\n").map((line) => JSON.parse(line) as [string, string]);
  assert.deepEqual(lines, Object.keys(openings).map((name) => [name, "clean"]));
});
