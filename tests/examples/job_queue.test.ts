// The job queue, as the example's first lines say to run it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runExample } from "../support/example.ts";

test("every job is done, also that of the worker that was killed", async () => {
  const said = await runExample("job_queue/main.ts", ["60"]);
  assert.match(said, /60 jobs done: 216816 primes below 3000000/);
  for (let job = 0; job < 60; job++) assert.match(said, new RegExp(`: job ${job} has \\d+ primes`));
  const stuck = /bun: stuck in job (\d+)/.exec(said);
  // On a busy machine the others may have done all of it before.
  if (stuck !== null) {
    assert.match(said, new RegExp(`(deno|node): job ${stuck[1]} .*second attempt`));
  }
});
