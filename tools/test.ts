// Runs the tests: npm test -- [--long] [--runtime=deno,bun,node] [part of a path …]
//
// Each file runs in a process of its own under each runtime, with a fresh runtime directory. A file
// fails when a test in it fails, when it has none, when it ends without a report, takes longer than
// its part allows (parts.ts), or leaves anything behind in its directory.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { targetName } from "../src/platform/embedded.ts";
import { type Column, record } from "./records.ts";
import { parseJUnit, type TestCase } from "./junit.ts";
import { nativeJobs } from "./native.ts";
import { folderOf, type Job, type Part, partOf } from "./parts.ts";
import { type Ended, killAll, onPath, run } from "./process.ts";
import { type Runtime, runtimes } from "./runtimes.ts";
import { patience, testSystem } from "./systems/systems.ts";
import { root } from "./toolchain.mjs";

/** Half of the start of a program in Node would go into stripping and compiling its files again. */
const NODE_CACHE = { NODE_COMPILE_CACHE: path.join(root, "build/node-cache") };

interface Result {
  job: Job;
  cases: TestCase[];
  /** What is wrong apart from failed tests. */
  problems: string[];
  ended: Ended;
}

const { values: options, positionals: filters } = parseArgs({
  options: { long: { type: "boolean" }, runtime: { type: "string" } },
  allowPositionals: true,
});

/** A run of everything takes a third of the cross suite's pairs; see tests/support/cross.ts. */
const pairs = process.env["CAUSEWAY_PAIRS"] || (filters.length > 0 ? "all" : "short");
const files = fs.globSync("tests/**/*.test.ts", { cwd: root })
  .map((file) => file.replaceAll(path.sep, "/")).sort();
const wanted = options.runtime?.split(",") ?? runtimes;
// Memory where there is a memory file system, so that tests meet what users will.
const temporary = testSystem.temporary?.() ??
  (fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir());
const scratch = fs.mkdtempSync(path.join(temporary, "causeway-test-"));
const cleanUp = () => fs.rmSync(scratch, { recursive: true, force: true });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killAll();
    cleanUp();
    process.exit(130);
  });
}

try {
  process.exitCode = await main();
} finally {
  cleanUp();
}

async function main(): Promise<number> {
  const missing: string[] = [];
  const jobs = [...fileJobs(), ...nativeJobs()].filter(selected).filter((job) => {
    const lacking = job.part.needs.filter((program) => !onPath(program));
    if (lacking.length > 0) {
      missing.push(`${job.name} (${job.label}): ${lacking.join(", ")} not installed`);
    }
    return lacking.length === 0;
  });
  if (jobs.length + missing.length === 0) {
    console.log("No tests found.\n0 passed, 1 failed");
    return 1;
  }
  const results: Result[] = [];
  for (const atOnce of [2, 1]) {
    const queue = jobs.filter((job) => job.part.atOnce === atOnce);
    const worker = async () => {
      for (let job = queue.shift(); job; job = queue.shift()) results.push(await runJob(job));
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }
  recordCrossSuite(results);
  return summarise(results, missing);
}

/** For the table of platforms: the runtimes under which all of the cross suite holds here. */
function recordCrossSuite(results: readonly Result[]): void {
  const { CAUSEWAY_PEERS, CAUSEWAY_TESTS } = process.env;
  if (CAUSEWAY_PEERS || CAUSEWAY_TESTS) return; // tests/platforms does that
  if (pairs === "short") return;
  const suite = fileJobs().filter((job) => folderOf(job.name) === "cross");
  const held = results.filter(({ cases, problems }) => problems.length + count(cases).failed === 0);
  for (const runtime of runtimes) {
    const files = suite.filter((job) => job.label === runtime).map((job) => job.name);
    const here = held.filter(({ job }) => job.label === runtime).map(({ job }) => job.name);
    if (files.length === 0 || !files.every((file) => here.includes(file))) continue;
    const column = runtime[0]!.toUpperCase() + runtime.slice(1) as Column;
    record(targetName(process.platform, process.arch, false), column, "all tests");
  }
}

function fileJobs(): Job[] {
  return files.flatMap((file) =>
    partOf(file).runtimes.filter((runtime) => wanted.includes(runtime)).map((runtime) => ({
      name: file,
      part: partOf(file),
      label: runtime,
      start: (report: string, env: NodeJS.ProcessEnv) =>
        run(command(runtime, file, report), {
          env: { ...NODE_CACHE, ...testSystem.env, ...env },
          limit: limitOf(partOf(file)),
        }),
    }))
  );
}

/** What the programs of the system that runs the tests call a file. */
function there(file: string): string {
  return testSystem.path?.(file) ?? file;
}

function limitOf(part: Part): number {
  return part.limit * patience;
}

function command(runtime: Runtime, file: string, report: string): string[] {
  const start = testSystem.command(runtime);
  switch (runtime) {
    case "deno":
      return [...start, "test", "-A", "--no-check", `--junit-path=${there(report)}`, file];
    case "bun": // its own limit per test would be 5 s
      return [
        ...[...start, "test", `--timeout=${limitOf(partOf(file)) * 1000}`],
        ...["--reporter=junit", `--reporter-outfile=${there(report)}`, `./${file}`],
      ];
    case "node":
      return [
        ...[...start, "--test-reporter=spec", "--test-reporter-destination=stdout"],
        ...["--test-reporter=junit", `--test-reporter-destination=${there(report)}`, file],
      ];
  }
}

/** Long parts run when asked for: by --long, or by a filter that begins with their folder. */
function selected(job: Job): boolean {
  const matches = filters.filter((filter) => job.name.includes(filter));
  if (filters.length > 0 && matches.length === 0) return false;
  if (options.long) return job.part.long;
  return !job.part.long || matches.some((filter) => folderOf(filter) === folderOf(job.name));
}

async function runJob(job: Job): Promise<Result> {
  const directory = fs.mkdtempSync(path.join(scratch, "run-"));
  const report = path.join(scratch, `${path.basename(directory)}.xml`);
  const ended = await job.start(report, {
    CAUSEWAY_DIR: there(directory),
    CAUSEWAY_PAIRS: pairs === "short" ? `short:${files.indexOf(job.name)}` : pairs,
    NO_COLOR: "1",
  });
  const reported = fs.existsSync(report);
  const cases = reported ? parseJUnit(fs.readFileSync(report, "utf8")) : [];
  const failed = cases.some((test) => test.outcome === "failed");

  const problems: string[] = [];
  if (ended.timedOut) problems.push(`killed: longer than ${limitOf(job.part)} s`);
  else if (ended.signal) problems.push(`ended by ${ended.signal}`);
  else if (!reported || cases.length === 0) {
    problems.push(`exit code ${ended.code}, and ${reported ? "no tests" : "no report"}`);
  } else if (ended.code !== 0 && !failed) problems.push(`exit code ${ended.code}`);
  const left = leftovers(directory);
  if (left.length > 0) problems.push(`left behind: ${left.slice(0, 10).join(", ")}`);

  fs.rmSync(directory, { recursive: true, force: true });
  fs.rmSync(report, { force: true });
  const result = { job, cases, problems, ended };
  printResult(result);
  return result;
}

/** The runtime directory's own empty folders (`nodes/`, `channel/`) may stay, nothing else. */
function leftovers(directory: string): string[] {
  if (!fs.existsSync(directory)) return []; // whoever left it last has removed it
  return fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() || entry.parentPath !== directory)
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)));
}

function printResult({ job, cases, problems, ended }: Result): void {
  const { passed, failed, skipped } = count(cases);
  const ok = failed === 0 && problems.length === 0;
  const counts = [`${passed} passed`];
  if (failed > 0) counts.push(`${failed} failed`);
  if (skipped > 0) counts.push(`${skipped} skipped`);
  const line = `${ok ? "ok  " : "FAIL"} ${job.name.padEnd(44)} ${job.label.padEnd(5)}`;
  console.log(`${line} ${ended.seconds.toFixed(1).padStart(6)} s  ${counts.join(", ")}`);
  if (ok) return;
  for (const problem of problems) console.log(`     ${problem}`);
  console.log(withoutPasses(ended.output).trimEnd().replace(/^/gm, "     | "));
}

/** What a runner printed without the lines on what went well, between which a failure is lost. */
function withoutPasses(output: string): string {
  const passed = /^\s*(✔|✓|\(pass\)|ℹ)|\.\.\. ok( \(\S+\))?$/;
  return output.split("\n").filter((line) => !passed.test(line)).join("\n");
}

function summarise(results: Result[], missing: string[]): number {
  const total = count(results.flatMap((result) => result.cases));
  total.failed += results.filter((result) => result.problems.length > 0).length;
  total.skipped += missing.length;
  const skipped = [...missing, ...results.flatMap((result) => skips(result, results))];
  if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.map((s) => `  ${s}`).join("\n")}`);
  const bad = results.filter(({ cases, problems }) => problems.length + count(cases).failed > 0);
  if (bad.length > 0) {
    console.log(`\nFailed:`);
    for (const { job, cases, problems } of bad) {
      const names = cases.filter((test) => test.outcome === "failed").map((test) => test.name);
      for (const what of [...names, ...problems]) {
        console.log(`  ${job.name} (${job.label}): ${what}`);
      }
    }
  }
  const tail = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`\n${total.passed} passed, ${total.failed} failed${tail}`);
  return total.failed > 0 ? 1 : 0;
}

/** Only Node reports why a test was skipped; the others' reasons are taken from there. */
function skips({ job, cases }: Result, results: Result[]): string[] {
  const told = results.filter((other) => other.job.name === job.name).flatMap((r) => r.cases);
  return cases.filter((test) => test.outcome === "skipped").map((test) => {
    const same = told.find((other) => other.name === test.name && other.reason !== "");
    return `${job.name} (${job.label}): ${test.name}: ${same?.reason ?? "see the test"}`;
  });
}

function count(cases: TestCase[]): { passed: number; failed: number; skipped: number } {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const test of cases) total[test.outcome]++;
  return total;
}
