// Windows, as far as Wine is it: the library's own tests, where the library is kept, and the cross
// suite with processes of Windows only.
//
// Wine has what Windows documents of files, locks, events and pipes, and the library's fallbacks
// run there where Windows 10 does better (removing files that are mapped). It shows nothing of NTFS,
// of virus scanners, of access lists, or of what reserving space does.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { build } from "../../tools/build.mjs";
import { run } from "../../tools/process.ts";
import { targetOf } from "../../src/platform/embedded.ts";
import {
  noWine,
  prepareWine,
  stopWine,
  wineBinary,
  wineCommand,
  wineEnv,
  winePath,
  wineTemporary,
} from "../../tools/systems/wine.ts";
import { testCrossRuns } from "../support/cross_runs.ts";
import {
  buildNativePrograms,
  nativeProgramFolder,
  noNativePrograms,
} from "../support/native_programs.ts";
import { record } from "../../tools/records.ts";

const target = "windows-x64";
const by = " (Wine)";
const skip = noWine || noNativePrograms;

/** A program ends itself after 40 s; this is for one that can't even do that. */
const LIMIT = 120;

before(() => {
  if (skip) return;
  build(true);
  prepareWine(["deno", "bun", "node"]);
});
after(() => {
  if (!skip) stopWine();
});

test("the library's own tests", { skip }, async () => {
  await buildNativePrograms();
  const folder = nativeProgramFolder(target);
  const programs = fs.readdirSync(folder).filter((file) => file.endsWith(".exe")).sort();
  assert.ok(programs.length >= 7);
  for (const program of programs) {
    const command = wineCommand(path.join(folder, program));
    const { code, output } = await run(command, { env: wineEnv, limit: LIMIT });
    assert.equal(code, 0, `${program}: ${output}`);
  }
  record(target, "C tests", `${programs.length} of ${programs.length}${by}`);
});

test("the library's own tests for arm64 can be linked", { skip }, async () => {
  await buildNativePrograms();
  const built = fs.readdirSync(nativeProgramFolder("windows-arm64"));
  assert.deepEqual(built.sort(), fs.readdirSync(nativeProgramFolder(target)).sort());
});

/** The file that a process of Bun has loaded, as Windows calls it. */
async function loaded(directory: string, env: Record<string, string> = {}): Promise<string> {
  const command = [...wineCommand(wineBinary("bun")), "tests/platforms/wine/loaded.ts"];
  const all = { ...wineEnv, CAUSEWAY_DIR: winePath(directory), ...env };
  const { code, output } = await run(command, { env: all, limit: LIMIT });
  assert.equal(code, 0, output);
  return /^library: (.*?)\r?$/m.exec(output)![1]!;
}

test("the library is kept in %LOCALAPPDATA%", { skip }, async () => {
  const directory = fs.mkdtempSync(path.join(wineTemporary(), "causeway-test-"));
  const library = await loaded(directory);
  const { username } = os.userInfo();
  const start = `C:\\users\\${username}\\AppData\\Local\\causeway\\causeway-`;
  assert.ok(library.startsWith(start), library);
  assert.equal(hashOf(library), (await targetOf(target)!.load()).sha256);
  assert.equal(await loaded(directory), library);
  fs.rmSync(directory, { recursive: true });
});

test(
  "processes that are the first at the same time don't hinder each other",
  { skip },
  async () => {
    const directory = fs.mkdtempSync(path.join(wineTemporary(), "causeway-test-"));
    const cache = path.join(directory, "zwischenspeicher-\u00e4-\u6e2c");
    const env = { CAUSEWAY_CACHE: winePath(cache) };
    const libraries = await Promise.all([1, 2, 3, 4].map(() => loaded(directory, env)));
    assert.equal(new Set(libraries).size, 1);
    assert.ok(libraries[0]!.startsWith(`${env.CAUSEWAY_CACHE}\\`), libraries.join());
    assert.equal(fs.readdirSync(cache).length, 1);
    fs.rmSync(directory, { recursive: true });
  },
);

function hashOf(library: string): string {
  const file = path.join(wineTemporary(), "../../..", library.slice(2).replaceAll("\\", "/"));
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
}

testCrossRuns({ system: "windows", target, by, skip }, {
  "Bun and Bun": { bothThere: true, runtime: "bun", peers: ["bun"] },
  "Node and Node": {
    bothThere: true,
    runtime: "node",
    peers: ["node"],
    files: ["channel_requests", "rpc_calls", "topic_messages", "memory_messages"],
  },
  "Deno and Deno": {
    bothThere: true,
    runtime: "deno",
    peers: ["deno"],
    files: ["channel_requests", "memory_messages"],
  },
  "Bun with Deno and Node": {
    bothThere: true,
    runtime: "bun",
    peers: ["deno", "node"],
    files: ["memory_messages"],
  },
});
