// What a question is: the rows it answers, and what runs on either side.

import type { Runtime } from "../../tools/runtimes.ts";

/** What one round of a subject gave: metrics by name, in ns, per second, or bytes per second. */
export type Measured = Record<string, number>;

/** Measures for about so many milliseconds. */
export type Subject = (milliseconds: number) => Measured | Promise<Measured>;

/** The rounds of all subjects. Those of the same index were measured one after the other. */
export type Rounds = Record<string, Measured[]>;

/** A row of the final table. */
export interface Row {
  asks: string;
  /** The subject it judges, and the one it is compared with. */
  subject: string;
  peer?: string;
  /** What is shown: {@linkcode LATENCY}, or one figure. */
  metrics: readonly string[];
  unit: Unit;
  target?: Target;
}

/** What users feel of a latency: the median hides pauses that the mean shows. */
export const LATENCY: readonly string[] = ["p50", "mean", "p99"];

/** What the design says a row must reach; all that is given must hold. */
export interface Target {
  /** The metric it is for. Otherwise it is for all that are shown, but for the p99. */
  metric?: string;
  /** In the row's unit. */
  atMost?: number;
  atLeast?: number;
  /** At least so many times better than the peer. */
  better?: number;
  /** At most so many times worse than the peer. */
  worse?: number;
}

/** How a metric is printed: its name, what one of it is, and which direction is good. */
export interface Unit {
  name: string;
  size: number;
  lowerIsBetter: boolean;
}

export const nanoseconds: Unit = { name: "ns", size: 1, lowerIsBetter: true };
export const microseconds: Unit = { name: "µs", size: 1e3, lowerIsBetter: true };
export const milliseconds: Unit = { name: "ms", size: 1e6, lowerIsBetter: true };
export const thousandPerSecond: Unit = { name: "k/s", size: 1e3, lowerIsBetter: false };
export const millionPerSecond: Unit = { name: "M/s", size: 1e6, lowerIsBetter: false };
export const gigabytesPerSecond: Unit = { name: "GB/s", size: 1e9, lowerIsBetter: false };
export const cpu: Unit = { name: "ms CPU/s", size: 1e6, lowerIsBetter: true };

/** What a side is told when it starts. */
export interface Setup {
  /** Where both sides may put what they share, a Unix socket for example. */
  directory: string;
  quick: boolean;
  /** Everything a question can ask, however long it takes. */
  full: boolean;
  /** The only subject to measure, see {@linkcode PairQuestion.fresh}. */
  subject?: string;
}

/** How long and how often each subject is measured. */
export interface Plan {
  /** Of a subject before the first round, in ms. */
  warmUp: number;
  rounds: number;
  /** Of a round. */
  milliseconds: number;
}

/** What goes on around a pair while it is measured. */
export interface Condition {
  name: string;
  /** Why there can't be such a condition on this machine. */
  missing?(): string | undefined;
  /** What the command of each side begins with. */
  command?: readonly string[];
  /** How many other processes compute without a pause. */
  busy?: number;
}

/** Asked of each pair of runtimes: a server process and a client process. */
export interface PairQuestion {
  rows: Row[];
  /** Opens what clients will use. The process then stays until it is ended. */
  server(setup: Setup): Promise<unknown>;
  /** Connects, and returns what is measured: in turn, round by round. */
  client(setup: Setup): Promise<Record<string, Subject>>;
  /** If it isn't the usual one. */
  plan?(setup: Setup): Plan;
  /** Asked under each; the rows' subjects are then `<condition>: <subject>`. */
  conditions?: Condition[];
  /** Each subject of each round gets a client process of its own, and no warm-up. */
  fresh?: boolean;
}

/** Asked of each runtime by itself. */
export interface RuntimeQuestion {
  rows: Row[];
  run(runtime: Runtime, setup: Setup): Promise<Rounds>;
}

/** Asked of the machine, without any of the runtimes. */
export interface MachineQuestion {
  rows: Row[];
  /** Why it can't be asked here. */
  missing(): string | undefined;
  measure(setup: Setup): Promise<Rounds>;
}

export type { Runtime };
export type Question = PairQuestion | RuntimeQuestion | MachineQuestion;
