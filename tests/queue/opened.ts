/**
 * Tests with queues that are open in this realm.
 */
import { test } from "node:test";
import { Queue, type QueueOptions } from "../../src/queue/queue.ts";
import { Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

/** Opens a queue in the directory of the test. */
export type Open = <T = unknown>(options?: QueueOptions, name?: string) => Promise<Queue<T>>;

/** A test with queues in a directory of its own, closed at its end. */
export function queueTest(
  title: string,
  body: (open: Open, scratch: Scratch) => Promise<void>,
): void {
  test(title, async () => {
    using scratch = new Scratch();
    await using stack = new AsyncDisposableStack();
    const open: Open = async (options, name = "jobs") => {
      const queue = Queue.open(name, { directory: scratch.path, ...options });
      return stack.use(await queue) as Queue<never>;
    };
    await within(body(open, scratch), title, 50_000);
  });
}
