// Asks a question of a pair of runtimes: starts its processes and collects their rounds.

import fs from "node:fs";
import path from "node:path";
import { BusyProcesses } from "./busy_processes.ts";
import { Child } from "./processes.ts";
import type { Condition, PairQuestion, Rounds, Runtime, Setup } from "./question.ts";
import { usualPlan } from "./rounds.ts";

/** One run, in fresh processes. Conditions that this machine doesn't have are left out. */
export async function askPair(
  name: string,
  question: PairQuestion,
  pair: string,
  setup: Setup,
): Promise<Rounds> {
  if (question.conditions === undefined) {
    return await new Run(name, question, pair, setup).rounds();
  }
  const rounds: Rounds = {};
  for (const condition of question.conditions) {
    if (condition.missing?.() !== undefined) continue;
    await using _busy = await BusyProcesses.start(condition.busy ?? 0, setup.directory);
    const measured = await new Run(name, question, pair, setup, condition).rounds();
    for (const [subject, values] of Object.entries(measured)) {
      rounds[`${condition.name}: ${subject}`] = values;
    }
  }
  return rounds;
}

/** The processes of one run, under one condition. */
class Run {
  readonly #name: string;
  readonly #question: PairQuestion;
  readonly #client: Runtime;
  readonly #server: Runtime;
  readonly #setup: Setup;
  readonly #command: readonly string[];

  constructor(
    name: string,
    question: PairQuestion,
    pair: string,
    setup: Setup,
    condition?: Condition,
  ) {
    this.#name = name;
    this.#question = question;
    [this.#client, this.#server] = pair.split("-") as [Runtime, Runtime];
    this.#setup = { ...setup, directory: fs.mkdtempSync(path.join(setup.directory, "run-")) };
    this.#command = condition?.command ?? [];
  }

  async rounds(): Promise<Rounds> {
    await using server = this.#side(this.#server, "server", this.#setup);
    await server.firstLine();
    return this.#question.fresh ? await this.#freshRounds() : await this.#ofClient(this.#setup);
  }

  /** Each measurement in a client process of its own. */
  async #freshRounds(): Promise<Rounds> {
    const { rows, plan } = this.#question;
    const subjects = new Set(
      rows.flatMap((row) => row.peer ? [row.subject, row.peer] : row.subject),
    );
    const { rounds: count } = plan?.(this.#setup) ?? usualPlan(this.#setup.quick);
    const rounds: Rounds = {};
    for (let round = 0; round < count; round++) {
      for (const subject of subjects) {
        const measured = await this.#ofClient({ ...this.#setup, subject });
        (rounds[subject] ??= []).push(...measured[subject]!);
      }
    }
    return rounds;
  }

  async #ofClient(setup: Setup): Promise<Rounds> {
    await using client = this.#side(this.#client, "client", setup);
    return JSON.parse(await client.firstLine());
  }

  #side(runtime: Runtime, role: string, setup: Setup): Child {
    const args = [this.#name, role, JSON.stringify(setup)];
    return new Child(runtime, "harness/side.ts", args, setup.directory, this.#command);
  }
}
