// What the command line asks for.

import { parseArgs } from "node:util";
import type { Runtime } from "./question.ts";

export const RUNTIMES: readonly Runtime[] = ["deno", "bun", "node"];
/** Every ordered pair, client first. */
export const PAIRS: readonly string[] = RUNTIMES.flatMap((client) =>
  RUNTIMES.map((server) => `${client}-${server}`)
);
const QUICK_PAIRS = ["deno-bun", "bun-deno"];
const RUNS = 3;

export interface Options {
  quick: boolean;
  full: boolean;
  questions: string[];
  pairs: string[];
  /** How often a pair gets fresh processes. */
  runs: number;
  json?: string | undefined;
  plots?: string | undefined;
}

/**
 * @param known All questions.
 * @param quickly Those that --quick asks if it isn't told which.
 * @throws What is given isn't there, or doesn't go together.
 */
export function readOptions(
  args: string[],
  known: readonly string[],
  quickly: readonly string[],
): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      only: { type: "string" },
      pairs: { type: "string" },
      runs: { type: "string" },
      json: { type: "string" },
      plots: { type: "string" },
    },
  });
  const { quick, full, json, plots } = values;
  if (quick && full) throw new Error("--quick and --full don't go together");
  return {
    quick,
    full,
    questions: choose("question", values.only, known, quick ? quickly : known),
    pairs: choose("pair", values.pairs, PAIRS, quick ? QUICK_PAIRS : PAIRS),
    runs: values.runs === undefined ? (quick ? 1 : RUNS) : countOf(values.runs),
    json,
    plots,
  };
}

function choose(
  what: string,
  given: string | undefined,
  known: readonly string[],
  usual: readonly string[],
): string[] {
  const chosen = given?.split(",") ?? [...usual];
  const unknown = chosen.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`no ${what} ${unknown.join(", ")}; there are ${known.join(", ")}`);
  }
  return chosen;
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`--runs=${text} is no number of runs; give 1 or more`);
  }
  return count;
}
