/**
 * What a method may know of the call that it answers.
 *
 * @module
 */
import type { CallContext } from "../connection/bytes_handler.ts";
import type { IncomingCall } from "../connection/incoming.ts";
import { ArgumentError } from "../errors.ts";

let current: CallContext | undefined;

/**
 * The call that the running method answers. Only before the method's first
 * `await`: keep what it returns.
 *
 * @throws {ArgumentError} No call is being answered here.
 *
 * @example
 * ```ts
 * import { currentCall, serve } from "@causeway/ipc";
 *
 * await using server = await serve("files", {
 *   async download(url: string) {
 *     const { signal } = currentCall();
 *     return await (await fetch(url, { signal })).text();
 *   },
 * });
 * ```
 */
export function currentCall(): CallContext {
  if (current === undefined) {
    throw new ArgumentError(
      "no call is being answered here: use currentCall() in a method, before its first await",
    );
  }
  return current;
}

/** Runs the synchronous part of a method. */
export function runCall<T>(call: IncomingCall, task: () => T): T {
  const outer = current;
  current = call;
  try {
    return task();
  } finally {
    current = outer;
  }
}
