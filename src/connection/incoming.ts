/**
 * A request of the peer while it is worked on.
 *
 * @module
 */
import { RecordFlag } from "../ring/record.ts";
import type { RecordFields } from "../ring/record.ts";

/** Where answers go. */
export interface Responder {
  /** Sends the answer to a request. */
  respond(correlation: number, payload: Uint8Array | undefined, flags: number): void;
}

/** See the module. */
export class IncomingCall {
  /** Method id of the request. */
  readonly method: number;
  /** Flags of its record. */
  readonly flags: number;
  /** Milliseconds the caller waits from when it called; 0: for ever. */
  readonly timeout: number;
  readonly #responder: Responder;
  readonly #correlation: number;
  readonly #received: number;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #aborted = false;
  #answered = false;

  /** `record` is the request, `received` when it came, in ms of `performance.now()`. */
  constructor(
    responder: Responder,
    record: RecordFields,
    received: number,
  ) {
    this.#responder = responder;
    this.#received = received;
    this.#correlation = record.correlation;
    this.method = record.method;
    this.flags = record.flags;
    this.timeout = record.extra;
  }

  /** Was it answered? */
  get isAnswered(): boolean {
    return this.#answered;
  }

  /** When the caller stops waiting, in ms of `performance.now()`; `Infinity`: never. */
  get deadline(): number {
    return this.timeout === 0 ? Infinity : this.#received + this.timeout;
  }

  /** Aborted when the caller gives up or is gone. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** The caller doesn't wait any longer. */
  abort(reason?: unknown): void {
    this.#aborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** Answers; `undefined` answers that there is nothing. `flags` says if it refers to streams. */
  reply(payload: Uint8Array | undefined, flags = 0): void {
    this.#answer(payload, flags);
  }

  /** Answers with an error, described by `payload`. */
  fail(payload: Uint8Array): void {
    this.#answer(payload, RecordFlag.error);
  }

  #answer(payload: Uint8Array | undefined, flags: number): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#responder.respond(this.#correlation, payload, flags);
  }
}
