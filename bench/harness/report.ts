// From rounds to the answers, and the table of them.

import { printTable } from "console-table-printer";
import type { Measured, Rounds, Row } from "./question.ts";

/** Smallest, middle and largest of the rounds. */
export interface Spread {
  min: number;
  median: number;
  max: number;
}

export interface Answer {
  question: string;
  pair: string;
  row: Row;
  measured: Spread;
  peer?: Spread;
  /** How many times better than the peer: of each round, so that noise hits both. */
  better?: Spread;
  reached?: boolean;
}

export function answersOf(question: string, pair: string, rows: Row[], rounds: Rounds): Answer[] {
  // What this system can't measure has no rounds.
  return rows.filter((row) => rounds[row.subject] !== undefined).map((row) => {
    const own = metricOf(rounds, row.subject, row.metric);
    const answer: Answer = { question, pair, row, measured: spread(own) };
    if (row.peer !== undefined) {
      const peer = metricOf(rounds, row.peer, row.metric);
      answer.peer = spread(peer);
      if (Math.min(...own, ...peer) === 0) return judged(answer);
      answer.better = spread(
        own.map((value, i) => row.unit.lowerIsBetter ? peer[i]! / value : value / peer[i]!),
      );
    }
    return judged(answer);
  });
}

function judged(answer: Answer): Answer {
  return answer.row.target === undefined ? answer : { ...answer, reached: reaches(answer) };
}

function metricOf(rounds: Rounds, subject: string, metric: string): number[] {
  return rounds[subject]!.map((round: Measured) => round[metric]!);
}

export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** By the median of the rounds. */
function reaches({ row: { target = {}, unit }, measured, better }: Answer): boolean {
  const value = measured.median / unit.size;
  const ratio = better?.median ?? NaN;
  return !(value > (target.atMost ?? Infinity)) && !(value < (target.atLeast ?? -Infinity)) &&
    !(ratio < (target.better ?? 0)) && !(1 / ratio > (target.worse ?? Infinity));
}

/** One line per answer. */
export function printAnswers(answers: Answer[]): void {
  printTable(
    answers.map(({ pair, row, measured, peer, better, reached }) => ({
      "question": row.asks,
      "client–server": pair,
      "measured (min–max)": range(measured, row.unit.size),
      "unit": row.unit.name,
      "peer": peer === undefined ? "" : range(peer, row.unit.size),
      "ratio": better === undefined ? "" : ratioOf(better, row),
      "target": targetOf(row),
      "reached": reached === undefined ? "" : reached ? "yes" : "NO",
    })),
    {
      shouldDisableColors: true,
      columns: [
        { name: "question", alignment: "left" },
        { name: "client–server", alignment: "left" },
        { name: "measured (min–max)", alignment: "right" },
        { name: "unit", alignment: "left" },
        { name: "peer", alignment: "right" },
        { name: "ratio", alignment: "right" },
        { name: "target", alignment: "left" },
        { name: "reached", alignment: "left" },
      ],
    },
  );
}

function range({ min, median, max }: Spread, size: number): string {
  return `${digits(median / size)} (${digits(min / size)}–${digits(max / size)})`;
}

function ratioOf({ min, median, max }: Spread, row: Row): string {
  return row.target?.worse === undefined
    ? `${digits(median)}× (${digits(min)}–${digits(max)})`
    : `1/${digits(1 / median)} (${digits(1 / max)}–${digits(1 / min)})`;
}

function targetOf({ target = {}, unit }: Row): string {
  const parts: string[] = [];
  if (target.atMost !== undefined) parts.push(`≤ ${target.atMost} ${unit.name}`);
  if (target.atLeast !== undefined) parts.push(`≥ ${target.atLeast} ${unit.name}`);
  if (target.better !== undefined) parts.push(target.better === 1 ? "better" : `${target.better}×`);
  if (target.worse !== undefined) parts.push(`1/${target.worse}`);
  return parts.join(", ");
}

/** Three significant digits. */
function digits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 3));
}
