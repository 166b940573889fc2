// The table of the answers.

import { printTable } from "console-table-printer";
import { type Answer, isUnsteady } from "./answers.ts";
import type { Figure } from "./answers.ts";
import type { Row } from "./question.ts";

const LEGEND = `Each figure: measured / the peer's (how many times better), medians.
spread: the fastest and the slowest run, or round if there was one run, in times of the median;
  "!" marks a run that took more than twice as long as the median.
A target is for the p50 and the mean, unless it names one.`;

const [MEDIAN, MEAN, P99] = ["p50 or value", "mean", "p99"];

/** One line per answer. What was skipped, and why, comes first: the table is the end. */
export function printAnswers(answers: Answer[], skipped: string[]): void {
  console.log();
  for (const line of skipped) console.log(`skipped: ${line}`);
  if (answers.length === 0) return;
  console.log(LEGEND);
  printTable(answers.map(lineOf), {
    shouldDisableColors: true,
    columns: [
      { name: "question", alignment: "left" },
      { name: "client–server", alignment: "left" },
      { name: "unit", alignment: "left" },
      { name: MEDIAN, alignment: "right" },
      { name: MEAN, alignment: "right" },
      { name: P99, alignment: "right" },
      { name: "spread", alignment: "right" },
      { name: "target", alignment: "left" },
      { name: "reached", alignment: "left" },
    ],
  });
}

function lineOf(answer: Answer): Record<string, string> {
  const { pair, row, figures, reached } = answer;
  const cell = (metric: string) => {
    const figure = figures[metric];
    return figure === undefined ? "" : cellOf(figure, row);
  };
  return {
    "question": row.asks,
    "client–server": pair,
    "unit": row.unit.name,
    [MEDIAN]: cell(row.metrics[0]!),
    [MEAN]: cell("mean"),
    [P99]: cell("p99"),
    "spread": spreadOf(answer),
    "target": targetOf(row),
    "reached": reached === undefined ? "" : reached ? "yes" : "NO",
  };
}

function cellOf({ measured, peer, better }: Figure, { unit, target }: Row): string {
  const own = digits(measured.median / unit.size);
  if (peer === undefined) return own;
  const both = `${own} / ${digits(peer.median / unit.size)}`;
  if (better === undefined) return both;
  const { median } = better;
  return target?.worse === undefined
    ? `${both} (${digits(median)}×)`
    : `${both} (1/${digits(1 / median)})`;
}

function spreadOf(answer: Answer): string {
  const { fastest, slowest } = answer;
  return `${fastest.toFixed(2)}–${slowest.toFixed(2)}${isUnsteady(answer) ? " !" : ""}`;
}

function targetOf({ target = {}, unit }: Row): string {
  const parts: string[] = [];
  if (target.atMost !== undefined) parts.push(`≤ ${target.atMost} ${unit.name}`);
  if (target.atLeast !== undefined) parts.push(`≥ ${target.atLeast} ${unit.name}`);
  if (target.better !== undefined) parts.push(target.better === 1 ? "better" : `${target.better}×`);
  if (target.worse !== undefined) parts.push(`1/${target.worse}`);
  const text = parts.join(", ");
  return target.metric === undefined ? text : `${target.metric}: ${text}`;
}

/** Three significant digits. */
export function digits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 3));
}
