/**
 * Runs the model of the queue's claims (`queue.pml`) through the model checker `spin`: it must
 * pass, and every mutation of it must be found.
 */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MODEL = fileURLToPath(new URL("./queue.pml", import.meta.url));
/** A run that takes longer than this has gone astray. */
const WATCHDOG_MS = 240_000;

const mutations = [
  ["M_NO_HAZARD", "the consumer sets no hazard"],
  ["M_LOOK_FIRST", "it looks at the chunk's state before it sets the hazard"],
  ["M_NO_CHECK", "the producer doesn't look at hazards"],
  ["M_CHECK_FIRST", "it looks at hazards before it says that the chunk is retired"],
  ["M_CLAIM_STORE", "the consumer claims by load and store"],
  ["M_CLEAR_EARLY", "it clears its hazard before it copies"],
] as const;

/** What the checker says of the model with these definitions. */
async function check(...definitions: string[]): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), "causeway-model-"));
  const run = async (program: string, ...args: string[]): Promise<string> =>
    (await promisify(execFile)(program, args, { cwd, timeout: WATCHDOG_MS })).stdout;
  try {
    await run("spin", ...definitions.map((definition) => `-D${definition}`), "-a", MODEL);
    await run("gcc", "-O1", "-w", "-DSAFETY", "-DMEMLIM=1900", "-o", "pan", "pan.c");
    const output = await run(join(cwd, "pan"), "-m1000000");
    assert.match(output, /errors: \d+/);
    assert.doesNotMatch(output, /max search depth too small|out of memory/);
    return output;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** Why nothing can be checked here, or false. */
function missing(): string | false {
  for (const [program, flag] of [["spin", "-V"], ["gcc", "--version"]] as const) {
    if (spawnSync(program, [flag]).status !== 0) return `${program} is not installed`;
  }
  return false;
}

const reason = missing();
// In CI it is no excuse.
const skip = process.env["CI"] === undefined && reason;

for (const definitions of [[], ["STOPS"]]) {
  const name = definitions.length === 0 ? "nobody stops" : "a consumer stops at any moment";
  test(`claims and chunks that are used again: ${name}`, { skip }, async () => {
    assert.match(await check(...definitions), /errors: 0\b/);
  });
}

for (const [definition, what] of mutations) {
  test(`found: ${what} (${definition})`, { skip }, async () => {
    assert.match(await check(definition), /assertion violated/);
  });
}
