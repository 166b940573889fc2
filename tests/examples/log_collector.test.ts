// The log collector, as its first lines say to run it.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { runExample } from "../support/example.ts";
import { Scratch } from "../support/scratch.ts";

test("three programs' lines are in one file, each program's in order", async () => {
  using scratch = new Scratch();
  const file = scratch.at("collected.log");
  const said = await runExample("log_collector/main.ts", [file, "5000"]);
  assert.match(said, /15000 lines of 3 programs/);
  const next: Record<string, number> = { deno: 1, bun: 1, node: 1 };
  for (const line of fs.readFileSync(file, "utf8").trimEnd().split("\n")) {
    const [program, text] = line.split(/ (.*)/) as [string, string];
    assert.equal(text, `line ${next[program]!++} of 5000`);
  }
  assert.deepEqual(next, { deno: 5001, bun: 5001, node: 5001 });
});
