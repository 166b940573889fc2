// Writable streams that fail, each in its own way, and what a writer of one must be told.

import assert from "node:assert/strict";

/** How a stream fails. */
export const FAILURES = ["write", "write later", "start", "start later", "close"] as const;

/** One of {@linkcode FAILURES}, or `stuck`: neither writing nor closing ends. */
export type Failure = (typeof FAILURES)[number] | "stuck";

/** A stream that fails so, with the RangeError `broken`. It is sent to peers as source. */
export function failingWritable(failure: Failure): WritableStream<unknown> {
  const fail = async (): Promise<never> => {
    if (failure.endsWith("later")) await new Promise((resolve) => setTimeout(resolve, 10));
    throw new RangeError("broken", { cause: failure });
  };
  return new WritableStream({
    start: () => failure.startsWith("start") ? fail() : undefined,
    write() {
      if (failure === "write") throw new RangeError("broken", { cause: failure });
      if (failure === "stuck") return new Promise(() => {});
      return failure === "write later" ? fail() : undefined;
    },
    close() {
      if (failure === "stuck") return new Promise(() => {});
      return failure === "close" ? fail() : undefined;
    },
  });
}

/** What the writer must be told. */
export function isBroken(error: RangeError): boolean {
  assert.ok(error instanceof RangeError, String(error));
  assert.equal(error.name, "RangeError");
  assert.equal(error.message, "broken");
  assert.match(error.stack ?? "", /broken[\s\S]*\n/);
  return true;
}

/** Writes and closes in every way: each must reject with the stream's error. */
export async function checkFailing(make: () => Promise<WritableStream<unknown>>): Promise<void> {
  const careful = (await make()).getWriter();
  await careful.write("a").catch(isBroken);
  await assert.rejects(careful.close(), closedOrBroken);
  await assert.rejects(careful.closed, isBroken);
  const hasty = (await make()).getWriter();
  const writing = hasty.write("a").catch(isBroken);
  await assert.rejects(hasty.close(), closedOrBroken);
  await assert.rejects(hasty.closed, isBroken);
  await writing;
  const source = new ReadableStream({
    start(controller) {
      controller.enqueue("a");
      controller.close();
    },
  });
  await assert.rejects(source.pipeTo(await make()), isBroken);
}

/** A stream that has failed can't be closed: then the runtime says so, with the error or its own. */
function closedOrBroken(error: Error): boolean {
  return error instanceof TypeError || isBroken(error as RangeError);
}

/** Everything under way on streams that are stuck: a write that waits for credit, and a close. */
export async function startStuck(make: () => Promise<WritableStream<unknown>>): Promise<{
  writer: WritableStreamDefaultWriter<unknown>;
  closer: WritableStreamDefaultWriter<unknown>;
  writing: Promise<void>;
  closing: Promise<void>;
}> {
  const writer = (await make()).getWriter();
  const writing = writer.write(new Uint8Array(3 << 20));
  const closer = (await make()).getWriter();
  const closing = closer.close();
  // It may fail before somebody looks.
  for (const promise of [writing, closing, writer.closed, closer.closed]) promise.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { writer, closer, writing, closing };
}
