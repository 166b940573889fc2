// What the programs of this example share.

/** Count the primes in a range; `null` ends a worker. */
export type Job = { id: number; from: number; to: number } | null;

/** What a worker says. */
export interface Report {
  worker: string;
  job: number;
  /** How many primes there are; without it the job was begun. */
  primes?: number;
  /** Somebody else had begun it before. */
  again: boolean;
}

export const JOBS = "example-jobs";
export const REPORTS = "example-reports";
