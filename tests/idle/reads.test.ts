// Deno has 32 threads for reading files and for native calls that wait. Nothing that waits here sits
// on one of them: reading files takes as long with everything waiting as it does without.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Puppet } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";

const CHANNELS = 50;
const REQUESTS = 10;
const READS = 3000;
/** A read that needed the thread of one who waits would wait as long: for ten minutes. */
const STALL_MS = 30_000;

interface Times {
  median: number;
  p99: number;
  max: number;
}

test("Deno reads files as fast while endpoints wait", async () => {
  const directory = newDirectory();
  const [reader, partner] = await Promise.all([
    new Puppet("deno", directory).up(),
    new Puppet("deno", directory).up(),
  ]);
  const file = process.execPath.replace(/bin\/node.*$/, "package.json");
  const read = (): Promise<Times> => reader.do("readFiles", { file, count: READS });
  await read(); // compiled by now
  const before = await read();
  for (let i = 0; i < CHANNELS; i++) {
    for (const puppet of [reader, partner]) {
      await puppet.do("open", { kind: "channel", name: `c${i}` });
    }
  }
  for (let i = 0; i < REQUESTS; i++) {
    await reader.do("start", { key: `r${i}`, on: `c${i}`, hold: true, timeout: 600_000 });
  }
  const waiting = await read();
  await Promise.all([reader.finish(), partner.finish()]);
  const after = waiting.median / before.median;
  for (const [what, { median, p99, max }] of Object.entries({ before, waiting })) {
    console.log(
      `${what.padEnd(7)} median ${median.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms, ` +
        `max ${max.toFixed(1)} ms`,
    );
  }
  console.log(`${CHANNELS} channels and ${REQUESTS} requests wait: ${after.toFixed(2)} times`);
  assert.ok(waiting.max < STALL_MS, `a read took ${waiting.max} ms`);
  assert.equal(reader.errors, "");
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
});
