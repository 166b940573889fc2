/**
 * Streams belong to the call that brought them: to its signal on the side that
 * calls, to its context on the side that answers.
 *
 * @module
 */
import type { IncomingCall } from "../connection/incoming.ts";
import { StreamSender } from "../connection/stream_sender.ts";
import { StreamAbortedError } from "../errors.ts";
import type { StreamEnd } from "./stream_references.ts";

/** Ends them with a reason, on both sides. */
export function endAll(ends: readonly StreamEnd[], reason: unknown): void {
  const why = reason ?? new StreamAbortedError();
  for (const end of ends) end.abort(why);
}

/** Ends them when the signal aborts; it is let go of when all are over. */
export function bindSignal(ends: readonly StreamEnd[], signal: AbortSignal): void {
  const onAbort = (): void => endAll(ends, signal.reason);
  let open = ends.length;
  signal.addEventListener("abort", onAbort);
  for (const end of ends) {
    end.whenOver(() => {
      if (--open === 0) signal.removeEventListener("abort", onAbort);
    });
  }
  if (signal.aborted) onAbort();
}

/** Aborts the call's signal when the caller lets go of a stream of its result. */
export function bindCall(ends: readonly StreamEnd[], call: IncomingCall): void {
  for (const end of ends) {
    if (!(end instanceof StreamSender)) continue;
    const { onStop } = end;
    end.onStop = (reason) => {
      call.abort(reason);
      onStop?.(reason);
    };
  }
}
