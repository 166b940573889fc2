// From rounds to answers: medians, ratios, how far apart runs were, whether a target is reached.

import type { Measured, Rounds, Row } from "./question.ts";

/** Smallest, middle and largest of several values. */
export interface Spread {
  min: number;
  median: number;
  max: number;
}

/** One metric of a row. With several runs each spread is of the medians of the runs, else of the rounds. */
export interface Figure {
  measured: Spread;
  peer?: Spread;
  /** How many times better than the peer: of each round, so that noise hits both. */
  better?: Spread;
}

export interface Answer {
  question: string;
  pair: string;
  row: Row;
  /** In fresh processes. */
  runs: number;
  /** By metric. */
  figures: Record<string, Figure>;
  /** The fastest and the slowest run, in times of the median's time. */
  fastest: number;
  slowest: number;
  reached?: boolean;
}

/** A slowest run of more than so many times the median is marked. */
const UNSTEADY = 2;

export function answersOf(question: string, pair: string, rows: Row[], runs: Rounds[]): Answer[] {
  // What this system can't measure, or wasn't asked for, has no rounds.
  const measured = (row: Row) => runs.every((rounds) => rounds[row.subject] !== undefined);
  return rows.filter(measured).map((row) => {
    const figures = Object.fromEntries(
      row.metrics.map((metric) => [metric, figureOf(row, metric, runs)]),
    );
    const answer = { question, pair, row, runs: runs.length, figures, ...paces(row, figures) };
    return row.target === undefined ? answer : { ...answer, reached: reaches(answer) };
  });
}

/** Did a run take more than twice as long as the median of the runs? */
export function isUnsteady({ runs, slowest }: Answer): boolean {
  return runs > 1 && slowest > UNSTEADY;
}

/** The metrics that a target is for, and by which runs are compared: a p99 is too noisy. */
export function countedOf({ metrics, target }: Row): string[] {
  if (target?.metric !== undefined) return [target.metric];
  return metrics.filter((metric) => metric !== "p99");
}

function figureOf({ subject, peer, unit }: Row, metric: string, runs: Rounds[]): Figure {
  const valuesOf = (name: string) =>
    runs.map((rounds) => rounds[name]!.map((round: Measured) => round[metric]!));
  const own = valuesOf(subject);
  const figure: Figure = { measured: over(own) };
  if (peer === undefined) return figure;
  const others = valuesOf(peer);
  figure.peer = over(others);
  if (Math.min(...own.flat(), ...others.flat()) === 0) return figure;
  figure.better = over(own.map((rounds, run) =>
    rounds.map((value, round) => {
      const other = others[run]![round]!;
      return unit.lowerIsBetter ? other / value : value / other;
    })
  ));
  return figure;
}

/** The spread of the runs' medians, or of the rounds of the only run. */
function over(runs: number[][]): Spread {
  return spread(runs.length === 1 ? runs[0]! : runs.map((rounds) => spread(rounds).median));
}

export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

function paces(
  row: Row,
  figures: Record<string, Figure>,
): { fastest: number; slowest: number } {
  const all = countedOf(row).map((metric) => {
    const { min, median, max } = figures[metric]!.measured;
    if (median <= 0 || (min <= 0 && !row.unit.lowerIsBetter)) return [1, 1] as const;
    return row.unit.lowerIsBetter ? [min / median, max / median] : [median / max, median / min];
  });
  return {
    // What is the difference of two times can be below zero.
    fastest: Math.max(0, Math.min(...all.map(([fastest]) => fastest!))),
    slowest: Math.max(...all.map(([, slowest]) => slowest!)),
  };
}

/** By the medians. */
function reaches({ row, figures }: { row: Row; figures: Record<string, Figure> }): boolean {
  const { target = {}, unit } = row;
  return countedOf(row).every((metric) => {
    const { measured, better } = figures[metric]!;
    const value = measured.median / unit.size;
    const ratio = better?.median ?? NaN;
    return !(value > (target.atMost ?? Infinity)) && !(value < (target.atLeast ?? -Infinity)) &&
      !(ratio < (target.better ?? 0)) && !(1 / ratio > (target.worse ?? Infinity));
  });
}
