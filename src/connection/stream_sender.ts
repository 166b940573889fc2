/**
 * The writing end of a stream.
 *
 * Guarantees: nothing is sent without credit (the last record may overdraw it); while anything
 * waits to be sent, no source is asked for more and nothing more is encoded, so what a peer that
 * doesn't read makes this side hold is what its streams have in hand; what
 * was given to {@linkcode StreamSender.write} is copied when the write is over, so
 * its memory can be used again; nothing is sent after the end.
 *
 * @module
 */
import { RecordFlag, RecordKind } from "../ring/record.ts";
import { CorruptSegmentError, StreamAbortedError } from "../errors.ts";
import { captureScope } from "../platform/async_scope.ts";
import { ITEM_COST, Step } from "./stream_host.ts";
import type { StreamEnd, StreamHost, WaitsForRoom, WaitsForTurn } from "./stream_host.ts";

/** No reader grants more; a sum of credits beyond it is garbage. */
const MAX_CREDIT = 0x7fff_ffff;

/** A value, or bytes, that wait for room before they are encoded. */
interface Item {
  /** Encodes and sends it: true if all of it is in the ring. */
  post(): boolean;
  /** Why it couldn't be. */
  failure: { readonly error: unknown } | undefined;
}

const asIs = (bytes: Uint8Array): Uint8Array => bytes;

/** What is told when the reader wants no more, or the connection is gone. */
export type OnStop = (reason: unknown) => void;

/** See the module. */
export class StreamSender implements StreamEnd, WaitsForRoom, WaitsForTurn {
  readonly id: number;
  /** Does each write arrive as one chunk? Otherwise bytes are split as it suits the ring. */
  readonly exact: boolean;
  readonly #host: StreamHost;
  readonly #acknowledged: boolean;
  #credit = 0;
  /** Bytes that are being sent, and how many are in the ring. */
  #chunk: Uint8Array | undefined;
  #sent = 0;
  /** What is encoded and sent as one record when there is room. */
  #item: Item | undefined;
  /** Does a value wait in the send queue? */
  #queued = false;
  /** Does it wait for its turn to ask its source? */
  #asks = false;
  /** It may ask, whatever waits. */
  #mayAsk = false;
  #waiting: PromiseWithResolvers<void> | undefined;
  #finished: PromiseWithResolvers<void> | undefined;
  #state: "open" | "ended" | "closed" = "open";
  #holds = false;
  /** Why nothing can be sent, if that wasn't this side's wish. */
  #failure: { readonly error: unknown } | undefined;
  #closed: (() => void) | undefined;
  /** Told at most once. */
  onStop: OnStop | undefined;

  /**
   * `acknowledged`: the reader says when it has worked off all of it, see
   * {@linkcode StreamSender.finish}.
   */
  constructor(host: StreamHost, id: number, exact: boolean, acknowledged: boolean) {
    this.#host = host;
    this.id = id;
    this.exact = exact;
    this.#acknowledged = acknowledged;
  }

  /** Can't anything be sent any more? */
  get isOver(): boolean {
    return this.#state !== "open";
  }

  /** Calls back when it is over, or at once if it is. */
  whenOver(task: () => void): void {
    if (this.isOver) task();
    else this.#closed = task;
  }

  /** See {@linkcode StreamHost.pause}: after what could be written at once. */
  pause(): Promise<void> | undefined {
    return this.#host.pause();
  }

  /** Throws why the other side wants no more, or cannot be reached, if so. */
  throwIfStopped(): void {
    if (this.#failure !== undefined) throw this.#failure.error ?? new StreamAbortedError();
  }

  /**
   * Undefined if its source can be asked for more: there is credit, and room; or if it is over.
   * Else a promise to wait for, which never rejects.
   */
  ready(): Promise<void> | undefined {
    return this.#isReady() ? undefined : this.#whenReady();
  }

  async #whenReady(): Promise<void> {
    do await this.#wait(); while (!this.#isReady());
  }

  #isReady(): boolean {
    if (this.#state !== "open") return true;
    if (this.#credit <= 0) return false;
    if (this.#mayAsk || this.#host.isClear()) {
      this.#mayAsk = false;
      return true;
    }
    if (!this.#asks) {
      this.#asks = true;
      this.#host.awaitTurn(this);
    }
    return false;
  }

  /** See {@linkcode WaitsForTurn}. */
  go(): void {
    this.#asks = false;
    this.#mayAsk = true;
    this.#wake();
  }

  #wait(): Promise<void> {
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }

  /** Sends bytes. Undefined if they are in the ring, else a promise of that. One at a time. */
  writeBytes(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#state !== "open") return undefined;
    if (this.exact) return this.#writeItem(0, bytes, asIs);
    this.#chunk = bytes;
    this.#sent = 0;
    for (;;) {
      const step = this.step();
      if (step === Step.done && this.#chunk === undefined) return undefined;
      if (step === Step.more) continue;
      if (step === Step.blocked) this.#host.awaitRoom(this);
      return this.#wait();
    }
  }

  /**
   * Sends a value. The same; it is encoded when there is room. Throws, or rejects with, what
   * `encode` throws.
   */
  writeValue<T>(value: T, encode: (value: T) => Uint8Array): Promise<void> | undefined {
    if (this.#state !== "open") return undefined;
    return this.#writeItem(RecordFlag.value, value, encode);
  }

  #writeItem<T>(
    flags: number,
    value: T,
    encode: (value: T) => Uint8Array,
  ): Promise<void> | undefined {
    if (this.#host.isClear()) {
      if (this.#postItem(flags, encode(value))) return undefined;
      this.#queued = true;
      this.#host.awaitRoom(this);
      return this.#wait();
    }
    const scope = captureScope();
    const item: Item = {
      post: () => this.#postItem(flags, scope.runInAsyncScope(encode, undefined, value)),
      failure: undefined,
    };
    this.#item = item;
    this.#host.awaitRoom(this);
    return this.#itemSent(item);
  }

  async #itemSent(item: Item): Promise<void> {
    await this.#wait();
    if (item.failure !== undefined) throw item.failure.error;
  }

  #postItem(flags: number, payload: Uint8Array): boolean {
    // To encode it can have closed the stream.
    if (this.#state !== "open") return true;
    const header = this.#host.header.begin(RecordKind.data);
    header.flags = flags;
    header.correlation = this.id;
    const sent = this.#host.post(header, payload);
    this.#credit -= payload.length + ITEM_COST;
    return sent;
  }

  #stepItem(item: Item): Step {
    if (!this.#host.isClear()) return Step.blocked;
    this.#item = undefined;
    try {
      if (!item.post()) {
        this.#queued = true;
        return Step.more; // and done when it is in the ring
      }
    } catch (error) {
      item.failure = { error };
    }
    this.#wake();
    return Step.done;
  }

  /** See {@linkcode WaitsForRoom}: called when the queue of the connection is empty. */
  step(): Step {
    if (this.#item !== undefined) return this.#stepItem(this.#item);
    if (this.#queued) {
      if (!this.#host.isClear()) return Step.blocked;
      this.#queued = false;
      this.#wake();
      return Step.done;
    }
    const chunk = this.#chunk;
    if (chunk === undefined) return Step.done;
    if (this.#sent < chunk.length) {
      // Without credit it waits for some: then it steps again.
      if (this.#credit <= 0) return Step.done;
      const to = Math.min(this.#sent + this.#host.pieceBytes, chunk.length);
      if (!this.#host.writePiece(this.id, chunk, this.#sent, to)) return Step.blocked;
      this.#credit -= to - this.#sent;
      this.#sent = to;
      if (to < chunk.length) return Step.more;
    }
    this.#chunk = undefined;
    this.#wake();
    return Step.done;
  }

  /** The reader can take so much more. True if nothing of it goes on in promises. */
  onCredit(credit: number): boolean {
    if (credit > MAX_CREDIT - Math.max(0, this.#credit)) {
      throw new CorruptSegmentError(
        `credit of ${credit} bytes for a stream that has ${this.#credit}`,
      );
    }
    if (this.#state !== "open") return true;
    if (!this.#holds) {
      this.#holds = true;
      this.#host.expect();
    }
    const had = this.#credit > 0;
    this.#credit += credit;
    if (had || this.#credit <= 0 || this.#queued || this.#item !== undefined) return true;
    if (this.#chunk !== undefined) {
      this.#host.awaitRoom(this);
      return true;
    }
    this.#wake();
    return false;
  }

  /** No more comes. */
  end(): void {
    if (this.#state !== "open") return;
    this.#postEnd();
    this.#settle(this.#acknowledged ? "ended" : "closed");
  }

  #postEnd(failure?: Uint8Array): void {
    const header = this.#host.header.begin(RecordKind.end);
    header.correlation = this.id;
    if (failure !== undefined) header.flags = RecordFlag.error;
    this.#host.post(header, failure);
  }

  /** The same, and waits until the reader has worked off all of it; rejects if that failed. */
  async finish(): Promise<void> {
    this.throwIfStopped();
    this.#finished = Promise.withResolvers();
    this.#host.expect();
    try {
      this.end();
      if (this.#state === "ended") await this.#finished.promise;
    } finally {
      this.#host.unexpect();
    }
  }

  /** No more comes, because of an error. */
  fail(error: unknown): void {
    if (this.#state !== "open") return;
    this.#postEnd(this.#host.encodeError(error));
    this.#settle("closed");
  }

  /** The same, and does not wait for {@linkcode StreamSender.finish} any longer, which rejects. */
  giveUp(error: unknown): void {
    if (this.#state === "ended") {
      this.#state = "closed";
      this.#host.forget(this.id);
      this.#finished?.reject(error);
    } else if (this.#state === "open") {
      this.#failure = { error };
      this.fail(error);
    }
  }

  /** The reader wants no more; `payload` describes why. */
  stopped(flags: number, payload: Uint8Array<ArrayBuffer> | undefined): void {
    const reason = (flags & RecordFlag.nothing) !== 0 ? undefined : this.#host.decodeError(payload);
    if (this.#state === "ended") {
      this.#state = "closed";
      this.#host.forget(this.id);
      if ((flags & RecordFlag.nothing) !== 0) this.#finished?.resolve();
      else this.#finished?.reject(reason);
      return;
    }
    if (this.#state !== "open") return;
    this.#postEnd();
    this.#settle("closed");
    this.#tell(reason);
  }

  /** See {@linkcode StreamEnd}. */
  disconnected(error: Error): void {
    const { isOver } = this;
    this.#settle("closed");
    this.#finished?.reject(error);
    if (!isOver) this.#tell(error);
  }

  /** Ends it with an error on both sides, as if each had failed. */
  abort(reason: unknown): void {
    if (this.#state !== "open") return;
    this.fail(reason);
    this.#tell(reason);
  }

  #tell(reason: unknown): void {
    this.#failure = { error: reason };
    const { onStop } = this;
    this.onStop = undefined;
    onStop?.(reason);
  }

  #settle(state: "ended" | "closed"): void {
    this.#state = state;
    this.#chunk = undefined;
    this.#item = undefined;
    this.#queued = false;
    if (state === "closed") this.#host.forget(this.id);
    if (this.#holds) this.#host.unexpect();
    this.#holds = false;
    this.#wake();
    this.#closed?.();
    this.#closed = undefined;
  }
}
