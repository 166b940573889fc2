// Workers that run functions, see remote_functions.ts; worker_program.ts is their side.

import { Worker as NodeWorker } from "node:worker_threads";
import { FunctionSender, type RemoteFunction } from "./remote_functions.ts";

/** What the three runtimes have in common. */
interface NativeWorker {
  postMessage(message: unknown): void;
  terminate(): void;
}

/** Deno's own workers are the web's; the others' are Node's. */
interface WebWorker extends NativeWorker {
  onmessage: (event: { data: unknown }) => void;
}

/** A worker of the process that starts it. */
export class Worker implements AsyncDisposable {
  readonly #worker: NativeWorker;
  readonly #functions: FunctionSender;

  private constructor() {
    const url = new URL("./worker_program.ts", import.meta.url);
    this.#functions = new FunctionSender((task) => this.#worker.postMessage(task));
    const settle = (outcome: unknown): void => this.#functions.settle(outcome as never);
    if ("Deno" in globalThis) {
      const { Worker } = globalThis as unknown as {
        Worker: new (url: URL, options: object) => WebWorker;
      };
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }) => settle(data);
      this.#worker = worker;
    } else {
      const worker = new NodeWorker(url);
      worker.on("message", settle);
      this.#worker = worker;
    }
  }

  /** Starts one that is ready. */
  static async start(): Promise<Worker> {
    const worker = new Worker();
    await worker.run(() => {});
    return worker;
  }

  /** Runs a function there; its result is JSON. */
  // deno-lint-ignore no-explicit-any
  run<Args extends any[], Result>(
    task: RemoteFunction<Args, Result>,
    ...args: Args
  ): Promise<Awaited<Result>> {
    return this.#functions.run(task, args);
  }

  /** Lets it end itself, without closing anything. */
  exit(): void {
    this.#worker.postMessage("exit");
  }

  /** Ends it from outside. */
  terminate(): void {
    this.#worker.terminate();
  }

  /** Closes what is open there, and ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.postMessage("reset");
    await this.run(() => {});
    this.#worker.terminate();
  }
}
