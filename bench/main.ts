// npm run bench -- [--quick] [--only=question,…] [--pairs=deno-bun,…] [--json=file] [--plots=folder]
//
// Asks each question (questions.ts) of each ordered pair of runtimes, client first: two processes,
// several rounds, the library and its peer in turn. A pair is measured when nothing else is.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { machine } from "./harness/machine.ts";
import { Child, killAll } from "./harness/processes.ts";
import type { Question, Rounds, Runtime, Setup } from "./harness/question.ts";
import { answersOf, printAnswers } from "./harness/report.ts";
import type { Answer } from "./harness/report.ts";
import { questions } from "./questions.ts";

const RUNTIMES: Runtime[] = ["deno", "bun", "node"];
const QUICK_PAIRS = ["deno-bun", "bun-deno"];

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    pairs: { type: "string" },
    json: { type: "string" },
    plots: { type: "string" },
  },
});

interface Result {
  question: string;
  pair: string;
  rounds: Rounds;
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
  const names = choose("question", options.only, Object.keys(questions));
  const all = RUNTIMES.flatMap((client) => RUNTIMES.map((server) => `${client}-${server}`));
  const pairs = choose("pair", options.pairs, all, options.quick ? QUICK_PAIRS : all);
  const about = machine();
  console.log(`${about["cores"]} × ${about["cpu"]}, ${about["system"]}, load ${about["load"]}`);

  const results: Result[] = [];
  const answers: Answer[] = [];
  for (const name of names) {
    const question = await questions[name]!();
    for (const pair of "server" in question ? pairs : runtimesOf(pairs)) {
      console.log(`${name}, ${pair} …`);
      const rounds = await ask(name, question, pair);
      results.push({ question: name, pair, rounds });
      answers.push(...answersOf(name, pair, question.rows, rounds));
    }
  }
  printAnswers(answers);
  if (options.json !== undefined) {
    const text = JSON.stringify(
      { machine: about, quick: options.quick, answers, results },
      null,
      1,
    );
    fs.mkdirSync(path.dirname(path.resolve(options.json)), { recursive: true });
    fs.writeFileSync(options.json, `${text}\n`);
  }
  if (options.plots !== undefined) {
    const { writePlots } = await import("./harness/plots.ts");
    await writePlots(answers, options.plots);
  }
}

function choose(what: string, given: string | undefined, known: string[], usual = known): string[] {
  const chosen = given?.split(",") ?? usual;
  const unknown = chosen.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`no ${what} ${unknown.join(", ")}; there are ${known.join(", ")}`);
  }
  return chosen;
}

function runtimesOf(pairs: string[]): Runtime[] {
  return RUNTIMES.filter((runtime) => pairs.some((pair) => pair.split("-").includes(runtime)));
}

async function ask(name: string, question: Question, pair: string): Promise<Rounds> {
  const directory = fs.mkdtempSync(path.join(scratch, "run-"));
  const setup: Setup = { directory, quick: options.quick };
  if (!("server" in question)) return await question.run(pair as Runtime, setup);
  const [client, server] = pair.split("-") as [Runtime, Runtime];
  const args = (role: string) => [name, role, JSON.stringify(setup)];
  await using serving = new Child(server, "harness/side.ts", args("server"), directory);
  await serving.firstLine();
  await using asking = new Child(client, "harness/side.ts", args("client"), directory);
  return JSON.parse(await asking.firstLine());
}
