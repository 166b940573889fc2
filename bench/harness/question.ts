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
  metric: string;
  unit: Unit;
  target?: Target;
}

/** What the design says a row must reach; all that is given must hold. */
export interface Target {
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

export const microseconds: Unit = { name: "µs", size: 1e3, lowerIsBetter: true };
export const milliseconds: Unit = { name: "ms", size: 1e6, lowerIsBetter: true };
export const millionPerSecond: Unit = { name: "M/s", size: 1e6, lowerIsBetter: false };
export const gigabytesPerSecond: Unit = { name: "GB/s", size: 1e9, lowerIsBetter: false };
export const cpu: Unit = { name: "ms CPU/s", size: 1e6, lowerIsBetter: true };

/** What a side is told when it starts. */
export interface Setup {
  /** Where both sides may put what they share, a Unix socket for example. */
  directory: string;
  quick: boolean;
}

/** Asked of each pair of runtimes: a server process and a client process. */
export interface PairQuestion {
  rows: Row[];
  /** Opens what clients will use. The process then stays until it is ended. */
  server(setup: Setup): Promise<unknown>;
  /** Connects, and returns what is measured: in turn, round by round. */
  client(setup: Setup): Promise<Record<string, Subject>>;
}

/** Asked of each runtime by itself. */
export interface RuntimeQuestion {
  rows: Row[];
  run(runtime: Runtime, setup: Setup): Promise<Rounds>;
}

export type { Runtime };
export type Question = PairQuestion | RuntimeQuestion;
