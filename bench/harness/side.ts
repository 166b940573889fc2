// One side of a pair, in a process of its own: side.ts <question> server|client <setup>
//
// A server says "ready" and stays until its standard input ends. A client measures and prints the
// rounds as JSON.

import process from "node:process";
import { questions } from "../questions.ts";
import type { PairQuestion, Rounds, Setup } from "./question.ts";
import { measureRounds, usualPlan } from "./rounds.ts";

const [name, role, setupText] = process.argv.slice(2);
const setup: Setup = JSON.parse(setupText!);
const question = await questions[name!]!();
if (!("server" in question)) throw new Error(`${name} has no sides`);

if (role === "server") {
  await question.server(setup);
  process.stdout.write("ready\n");
  process.stdin.on("end", () => process.exit()).resume();
} else {
  const rounds = await measure(question);
  process.stdout.write(`${JSON.stringify(rounds)}\n`, () => process.exit());
}

async function measure({ client, plan }: PairQuestion): Promise<Rounds> {
  const subjects = await client(setup);
  const { subject } = setup;
  if (subject === undefined) {
    return await measureRounds(subjects, plan?.(setup) ?? usualPlan(setup.quick));
  }
  return { [subject]: [await subjects[subject]!(0)] };
}
