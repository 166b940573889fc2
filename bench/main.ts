// npm run bench -- [--quick | --full] [--only=question,…] [--pairs=deno-bun,…] [--runs=3]
//                  [--json=file] [--plots=folder]
//
// Asks each question (questions.ts) of each ordered pair of runtimes, client first: two processes,
// several rounds, the library and its peer in turn, and all of that again in fresh processes. A pair
// is measured when nothing else is.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { type Answer, answersOf } from "./harness/answers.ts";
import { askPair } from "./harness/ask.ts";
import { machine } from "./harness/machine.ts";
import { type Options, readOptions, RUNTIMES } from "./harness/options.ts";
import { killAll } from "./harness/processes.ts";
import type { Question, Rounds, Runtime } from "./harness/question.ts";
import { printAnswers } from "./harness/report.ts";
import { questions, quickQuestions } from "./questions.ts";

/** What a question that is asked of no runtime is asked of. */
const MACHINE = "C–C";

/** Everything that was measured, as --json writes it. */
interface Report {
  machine: Record<string, unknown>;
  options: Options;
  answers: Answer[];
  /** What can't be measured here, and why. */
  skipped: string[];
  rounds: { question: string; pair: string; runs: Rounds[] }[];
}

// Memory where there is a memory file system: that is what users have by default.
const scratch = fs.mkdtempSync(
  path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "causeway-bench-"),
);
const cleanUp = () => fs.rmSync(scratch, { recursive: true, force: true });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killAll();
    cleanUp();
    process.exit(130);
  });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  killAll();
  cleanUp();
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), Object.keys(questions), quickQuestions);
  const about = machine();
  console.log(`${about["cores"]} × ${about["cpu"]}, ${about["system"]}, load ${about["load"]}`);
  const report: Report = { machine: about, options, answers: [], skipped: [], rounds: [] };
  for (const name of options.questions) await answer(name, report);

  const { answers, skipped } = report;
  if (options.json !== undefined) {
    fs.mkdirSync(path.dirname(path.resolve(options.json)), { recursive: true });
    fs.writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
  }
  if (options.plots !== undefined) {
    const { writePlots } = await import("./harness/plots.ts");
    await writePlots(answers, options.plots);
  }
  printAnswers(answers, skipped);
}

/** Asks a question of all it is for, in all runs. */
async function answer(name: string, { options, answers, skipped, rounds }: Report): Promise<void> {
  const question = await questions[name]!();
  skipped.push(...missingOf(name, question));
  for (const pair of askedOf(question, options.pairs)) {
    const runs: Rounds[] = [];
    // The others start processes of their own for each round.
    const count = "server" in question ? options.runs : 1;
    for (let run = 1; run <= count; run++) {
      console.log(`${name}, ${pair}${count > 1 ? `, run ${run} of ${count}` : ""} …`);
      runs.push(await ask(name, question, pair, options));
    }
    rounds.push({ question: name, pair, runs });
    answers.push(...answersOf(name, pair, question.rows, runs));
  }
}

/** What can't be asked on this machine, and why. */
function missingOf(name: string, question: Question): string[] {
  if ("measure" in question) {
    const reason = question.missing();
    return reason === undefined ? [] : [`${name}: ${reason}`];
  }
  const conditions = "server" in question ? question.conditions ?? [] : [];
  return conditions.flatMap((condition) => {
    const reason = condition.missing?.();
    return reason === undefined ? [] : [`${name}, ${condition.name}: ${reason}`];
  });
}

function askedOf(question: Question, pairs: string[]): string[] {
  if ("measure" in question) return question.missing() === undefined ? [MACHINE] : [];
  if ("server" in question) return pairs;
  return RUNTIMES.filter((runtime) => pairs.some((pair) => pair.split("-").includes(runtime)));
}

async function ask(
  name: string,
  question: Question,
  pair: string,
  { quick, full }: Options,
): Promise<Rounds> {
  const setup = { directory: fs.mkdtempSync(path.join(scratch, "run-")), quick, full };
  if ("measure" in question) return await question.measure(setup);
  if ("server" in question) return await askPair(name, question, pair, setup);
  return await question.run(pair as Runtime, setup);
}
