// A test framework that fakes the global timers after the library was loaded (sinon, jest, vitest,
// node:test) doesn't stop the library.

import assert from "node:assert/strict";
import { test } from "node:test";
import { run, runtimeCommand } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

test("calls, waits and timeouts go on when the global timers are faked", async () => {
  using scratch = new Scratch();
  const program = new URL("./faked_timers_program.ts", import.meta.url);
  const said = await run(runtimeCommand(program), { CAUSEWAY_DIR: scratch.path });
  const expected = [
    "awaited: 3",
    "parked: 5",
    "timeout: TimeoutError",
    "queue: 7",
    "queue timeout: TimeoutError",
    "topic: 9",
  ];
  assert.deepEqual(said.stdout.trim().split("\n"), expected, said.stderr);
  assert.equal(said.code, 0, said.stderr);
});
