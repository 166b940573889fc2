// Other programs at work while a pair is measured.

import { Child } from "./processes.ts";

/** Processes that compute without a pause. They end with this, or when the harness is gone. */
export class BusyProcesses implements AsyncDisposable {
  readonly #children: Child[];

  private constructor(children: Child[]) {
    this.#children = children;
  }

  static async start(count: number, directory: string): Promise<BusyProcesses> {
    const children = Array.from(
      { length: count },
      () => new Child("node", "programs/compute.ts", [], directory),
    );
    await Promise.all(children.map((child) => child.firstLine()));
    return new BusyProcesses(children);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill();
    await Promise.all(this.#children.map((child) => child[Symbol.asyncDispose]()));
  }
}
