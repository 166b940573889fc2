/**
 * A request of the peer while it is worked on.
 *
 * @module
 */
import { RecordFlag } from "../ring/record.ts";
import type { RecordFields } from "../ring/record.ts";

/** Where answers go. */
export interface Responder {
  /** Sends the answer to a request; false if the caller gets another one, or none. */
  respond(correlation: number, payload: Uint8Array | undefined, flags: number): boolean;
  /** A method ends whose request was answered before, because its caller gave up. */
  endedLate(): void;
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
  /** Does its method run on though it was answered? */
  #runsOn = false;

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

  /**
   * The same, and answers if `early`, before its method has ended: the caller needs the call's id
   * for another. True if it did.
   */
  cancel(early = true): boolean {
    this.abort();
    if (!early || this.#answered) return false;
    this.#runsOn = true;
    this.#answer(undefined, 0);
    return true;
  }

  /**
   * Answers; `undefined` answers that there is nothing. `flags` says if it refers to streams.
   * False if the caller won't see it: it was answered already, or given up, or is too large.
   */
  reply(payload: Uint8Array | undefined, flags = 0): boolean {
    return this.#answer(payload, flags);
  }

  /** Answers with an error, described by `payload`. `flags` says if the request wasn't read. */
  fail(payload: Uint8Array, flags = 0): void {
    this.#answer(payload, RecordFlag.error | flags);
  }

  #answer(payload: Uint8Array | undefined, flags: number): boolean {
    if (this.#answered) {
      this.#endLate();
      return false;
    }
    this.#answered = true;
    return this.#responder.respond(this.#correlation, payload, flags);
  }

  #endLate(): void {
    if (this.#runsOn) this.#responder.endedLate();
    this.#runsOn = false;
  }
}
