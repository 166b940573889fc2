/**
 * What becomes of the records that arrive: pieces are joined to messages, what is too
 * large is refused, and the rest goes to whom it is for.
 *
 * @module
 */
import { CorruptSegmentError, MessageTooLargeError } from "../errors.ts";
import type { RingConsumer } from "../ring/consumer.ts";
import { isUsers, RecordFlag, RecordHeader, RecordKind } from "../ring/record.ts";
import type { RecordFields } from "../ring/record.ts";
import type { Reactor } from "../wake/reactor.ts";
import { LEAST_ATTACHED, totalBytes } from "../codec/attachments.ts";
import { Assembly } from "./assembly.ts";
import type { CallTable, Waiter } from "./calls.ts";
import type { ConnectionHandler } from "./handler.ts";
import { IncomingCall } from "./incoming.ts";
import { MAX_CALLS, MAX_GIVEN_UP, MAX_HANDLING, MOST_OWED } from "./limits.ts";
import type { Responder } from "./incoming.ts";
import { inPortions } from "./portions.ts";
import type { ConnectionStatistics, Counters } from "../statistics.ts";
import { isStreamBytes } from "./streams.ts";
import type { Streams } from "./streams.ts";
import { BlockingWaiter } from "./waiters.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const NO_BYTES = new Uint8Array(0);

/** The connection, as far as what it receives concerns it. */
interface Recipient extends Responder {
  readonly statistics: Counters<ConnectionStatistics>;
  readonly streams: Streams;
  /** It may be read from again: see {@linkcode RecordDispatcher.isBusy}. */
  readOn(): void;
}

/** See the module. */
export class RecordDispatcher {
  readonly #recipient: Recipient;
  readonly #statistics: Counters<ConnectionStatistics>;
  readonly #streams: Streams;
  readonly #reactor: Reactor;
  readonly #handler: ConnectionHandler;
  readonly #maxMessageBytes: number;
  readonly #calls: CallTable;
  /** Requests of the peer that are being worked on, by correlation id. */
  readonly #incoming = new Map<number, IncomingCall>();
  /** Requests that were answered because their callers gave up, and whose methods still run. */
  #givenUp = 0;
  /** Messages without answer whose handlers still run. */
  #handling = 0;
  readonly #onHandled = (): void => {
    if (this.#handling-- === MAX_HANDLING) this.#recipient.readOn();
  };
  #assembly: Assembly | undefined;

  constructor(
    recipient: Recipient,
    reactor: Reactor,
    handler: ConnectionHandler,
    maxMessageBytes: number,
    calls: CallTable,
  ) {
    this.#recipient = recipient;
    this.#statistics = recipient.statistics;
    this.#streams = recipient.streams;
    this.#reactor = reactor;
    this.#handler = handler;
    this.#maxMessageBytes = maxMessageBytes;
    this.#calls = calls;
  }

  /** A request was answered. */
  answered(correlation: number): void {
    if (this.#incoming.size > 0) this.#incoming.delete(correlation);
  }

  /** See {@linkcode Responder}. */
  endedLate(): void {
    this.#givenUp--;
  }

  /** Do so many handlers run that no more messages should be read? */
  get isBusy(): boolean {
    return this.#handling >= MAX_HANDLING;
  }

  /** Nobody waits any more for the answers to the requests that are being worked on. */
  abort(reason: Error): void {
    const calls = [...this.#incoming.values()];
    this.#incoming.clear();
    inPortions(calls, (call) => call.abort(reason), this.#reactor.yielder);
  }

  /** Handles a record; true if nothing of it goes on in promises. */
  take(record: RingConsumer): boolean {
    const { kind, flags } = record;
    if (isStreamBytes(kind, flags)) {
      this.#statistics.bytesReceived += record.length;
      return this.#streams.onBytes(record.correlation, record.take());
    }
    const isPiece = (flags & RecordFlag.more) !== 0 || kind === RecordKind.piece;
    if (isPiece || this.#assembly !== undefined) return this.#assemble(record);
    if (record.length > this.#maxMessageBytes && isUsers(kind, flags)) {
      return this.#refuse(kind, record.correlation, record.length);
    }
    const payload = (flags & RecordFlag.nothing) === 0 ? record.take() : undefined;
    return this.#handle(record, payload);
  }

  #assemble(record: RingConsumer): boolean {
    const isFirst = record.kind !== RecordKind.piece;
    if (isFirst === (this.#assembly !== undefined)) {
      throw new CorruptSegmentError(
        isFirst ? "a message within the pieces of another" : "a piece of no message",
      );
    }
    if (record.kind === RecordKind.define) {
      throw new CorruptSegmentError("a method's name in pieces");
    }
    const isLast = (record.flags & RecordFlag.more) === 0;
    if (isFirst) this.#assembly = new Assembly(RecordHeader.copy(record));
    const assembly = this.#assembly!;
    if (!isFirst && (record.flags & RecordFlag.attachment) !== 0) beginAttachment(assembly, record);
    checkPiece(assembly, record, isFirst, isLast);
    assembly.add(record.take(), this.#maxMessageBytes, isFirst ? 0 : record.extra);
    if (!isLast) return true;
    this.#assembly = undefined;
    const { kind, correlation } = assembly.beginning;
    if (assembly.isTooLarge) return this.#refuse(kind, correlation, assembly.size);
    return this.#handle(assembly.beginning, assembly.join());
  }

  #refuse(kind: number, correlation: number, size: number): boolean {
    const error = new MessageTooLargeError(
      size,
      this.#maxMessageBytes,
      "the side that receives",
    );
    if (kind === RecordKind.request) {
      const flags = RecordFlag.error | RecordFlag.unread;
      this.#recipient.respond(correlation, this.#handler.encodeError(error), flags);
    } else if (kind === RecordKind.response) {
      this.#calls.answer(correlation)?.reject(error);
    } else if (kind === RecordKind.data) {
      this.#streams.refuse(correlation, error);
    } else {
      this.#statistics.dropped++;
      this.#handler.onPeerError(error);
    }
    return false;
  }

  /** Handlers may read on in the ring: fields of `record` are read before one is called. */
  #handle(record: RecordFields, payload: Bytes | undefined): boolean {
    const { kind, flags, correlation } = record;
    if (kind <= RecordKind.message) {
      this.#statistics.messagesReceived++;
      this.#statistics.bytesReceived += totalBytes(payload);
    }
    switch (kind) {
      case RecordKind.request:
        return this.#inScope(this.#onRequest, record, payload);
      case RecordKind.response:
        return this.#onResponse(flags, correlation, payload);
      case RecordKind.message:
        return this.#inScope(this.#onMessage, record, payload);
      case RecordKind.cancel:
        return this.#inScope(this.#onCancel, record, payload);
      case RecordKind.define:
        this.#handler.onDefine?.(record.method, payload ?? NO_BYTES);
        return true;
      case RecordKind.release:
        this.#handler.onRelease?.(record.extra, correlation);
        return true;
      case RecordKind.data:
        return this.#onStreamData(flags, correlation, payload);
      case RecordKind.end:
      case RecordKind.credit:
      case RecordKind.stop:
        return this.#streams.onControl(record, payload);
      default:
        throw new CorruptSegmentError(`a record of the unknown kind ${kind}`);
    }
  }

  /** Calls what calls the user's code, in the context in which that was registered. */
  #inScope(
    task: (record: RecordFields, payload: Bytes | undefined) => boolean,
    record: RecordFields,
    payload: Bytes | undefined,
  ): boolean {
    return this.#reactor.call(this.#handler.scope, task, this, record, payload);
  }

  #onMessage({ method }: RecordFields, payload: Bytes | undefined): boolean {
    const end = this.#handler.onMessage(method, payload);
    if (end === undefined) return false;
    if (++this.#handling > MOST_OWED * MAX_HANDLING) {
      throw new CorruptSegmentError(
        `the handlers of ${this.#handling} messages run, and the peer sends more`,
      );
    }
    void end.then(this.#onHandled);
    return false;
  }

  #onCancel({ correlation }: RecordFields): boolean {
    // Beyond the limit the method's own answer gives the id back: so what runs is bounded by ids.
    const isEarly = this.#givenUp < MAX_GIVEN_UP;
    if (this.#incoming.get(correlation)?.cancel(isEarly)) this.#givenUp++;
    return false;
  }

  #onStreamData(flags: number, id: number, payload: Bytes | undefined): boolean {
    if (payload === undefined) throw new CorruptSegmentError("data of a stream that is nothing");
    this.#statistics.bytesReceived += payload.length;
    return (flags & RecordFlag.value) === 0
      ? this.#streams.onBytes(id, payload)
      : this.#streams.onValue(id, payload);
  }

  #onRequest(record: RecordFields, payload: Bytes | undefined): boolean {
    const { correlation } = record;
    if (correlation >= MAX_CALLS || this.#incoming.size > 0 && this.#incoming.has(correlation)) {
      throw new CorruptSegmentError(
        `a request with the id ${correlation}, which is in use, or not below ${MAX_CALLS}`,
      );
    }
    const call = new IncomingCall(this.#recipient, record, this.#reactor.now());
    if (this.#handler.onRequest(call, payload)) return true;
    if (!call.isAnswered) this.#incoming.set(correlation, call);
    return false;
  }

  #resolveStreams(waiter: Waiter, payload: Bytes | undefined): void {
    const { onStreamAnswer } = this.#handler;
    try {
      const answer = onStreamAnswer === undefined ? payload : onStreamAnswer(payload);
      waiter.resolve(answer as Bytes | undefined);
    } catch (error) {
      waiter.reject(error);
    }
  }

  #onResponse(flags: number, correlation: number, payload: Bytes | undefined): boolean {
    const waiter = this.#calls.answer(correlation);
    if (waiter === undefined) {
      throw new CorruptSegmentError(`an answer to the call ${correlation}, which nobody made`);
    }
    if (waiter === null) {
      // Nobody will use what it brings.
      if ((flags & RecordFlag.references) !== 0) this.#handler.onUnwanted?.(payload);
      return true;
    }
    if ((flags & RecordFlag.unread) !== 0) waiter.onUnread?.();
    if ((flags & RecordFlag.error) !== 0) waiter.reject(this.#handler.decodeError(payload));
    else if ((flags & RecordFlag.references) !== 0) this.#resolveStreams(waiter, payload);
    else waiter.resolve(payload);
    return waiter instanceof BlockingWaiter;
  }
}

function beginAttachment(assembly: Assembly, { extra }: RecordFields): void {
  const { missing } = assembly;
  if (extra < LEAST_ATTACHED || missing > 0 && missing < Infinity) {
    throw new CorruptSegmentError(
      `an attachment of ${extra} bytes (at least ${LEAST_ATTACHED}), ${missing} of the part before ` +
        "are missing",
    );
  }
  assembly.begin(extra);
}

/**
 * All pieces of a message's body but the first and the last are full, and those of an attachment
 * but the last: so there are few of them.
 */
function checkPiece(
  assembly: Assembly,
  record: RingConsumer,
  isFirst: boolean,
  isLast: boolean,
): void {
  const { length, pieceBytes } = record;
  const { missing, isPartWhole } = assembly;
  if (isPartWhole || length > missing || isLast && missing < Infinity && length < missing) {
    throw new CorruptSegmentError(
      `a piece of ${length} bytes, where ${isPartWhole ? 0 : missing} are missing`,
    );
  }
  if (isFirst || isLast || length === missing ? length > 0 : length === pieceBytes) return;
  if (length > 0 && missing === Infinity) {
    assembly.isPartWhole = true; // an attachment follows
    return;
  }
  throw new CorruptSegmentError(
    `a piece of ${length} bytes of a message: each but the first and the last has ${pieceBytes}`,
  );
}
