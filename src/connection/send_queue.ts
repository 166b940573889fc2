/**
 * What can't go into the ring at once: records that wait for room, in order, and
 * large payloads that travel in pieces.
 *
 * Messages, which no caller awaits, are refused beyond a limit. A caller that awaits an answer
 * waits for room, too, and is refused far beyond that limit only.
 *
 * @module
 */
import { BackpressureError } from "../errors.ts";
import type { RingProducer } from "../ring/producer.ts";
import { MANY_CALLS, MAX_QUEUED, MOST_OWED, mostOwed, QUEUED_COST } from "./limits.ts";
import { RecordKind } from "../ring/record.ts";
import type { RecordHeader } from "../ring/record.ts";
import { attachmentsOf } from "../codec/attachments.ts";
import { OutgoingMessage } from "./outgoing_message.ts";

/** See the module. */
export class SendQueue {
  /** Bytes of payload that wait. */
  queuedBytes = 0;
  /** Times that the ring was full. */
  waits = 0;
  /**
   * What waits because the peer asked for it (answers, and what belongs to streams): bytes,
   * and {@linkcode QUEUED_COST} for each record.
   */
  owed = 0;

  readonly #producer: RingProducer;
  readonly #limit: number;
  #queue: OutgoingMessage[] = [];
  #first = 0;
  /** Places from `#first` that are empty. */
  #withdrawn = 0;
  /** Requests of which nothing is in the ring yet, by correlation id. */
  readonly #requests = new Map<number, OutgoingMessage>();

  /** `limit`: bytes that may wait. */
  constructor(producer: RingProducer, limit: number) {
    this.#producer = producer;
    this.#limit = limit;
  }

  /** Does nothing wait? */
  get isEmpty(): boolean {
    return this.#first === this.#queue.length;
  }

  /** Records that wait. */
  get length(): number {
    return this.#queue.length - this.#first - this.#withdrawn;
  }

  /** Places that the queue takes in memory: few more than records that wait. */
  get places(): number {
    return this.#queue.length;
  }

  /**
   * Sends a record, or lets it wait: true if all of it is in the ring. The payload is copied if
   * it waits, unless `isOwn`: nothing else writes to it. With `isRefusable` it is refused if too
   * much waits already; a single message of any size can wait alone.
   *
   * @throws {BackpressureError} It was refused.
   */
  post(
    header: RecordHeader,
    payload: Uint8Array | undefined,
    isRefusable: boolean,
    isOwn = false,
  ): boolean {
    const length = payload === undefined ? 0 : payload.length;
    if (this.#first === this.#queue.length && length <= this.#producer.pieceBytes) {
      const isAlone = payload === undefined || attachmentsOf(payload) === undefined;
      if (isAlone && this.#producer.write(header, payload, 0, length)) return true;
    }
    return this.#postSlowly(header, payload, isRefusable, isOwn);
  }

  #postSlowly(
    header: RecordHeader,
    payload: Uint8Array | undefined,
    isRefusable: boolean,
    isOwn: boolean,
  ): boolean {
    const message = new OutgoingMessage(header, payload);
    if (isRefusable && !this.isEmpty) checkRoom(this, message.left, this.#limit);
    if (header.kind === RecordKind.request) checkCall(this, message.left, mostOwed(this.#limit));
    if (this.isEmpty && message.write(this.#producer)) return true;
    message.keep(isOwn);
    this.#queue.push(message);
    this.queuedBytes += message.left;
    if (isOwed(header.kind)) this.owed += message.left + QUEUED_COST;
    if (header.kind === RecordKind.request && !message.isBegun) {
      this.#requests.set(header.correlation, message);
    }
    this.waits++;
    return false;
  }

  /**
   * Takes a request back that is no longer waited for; false if a part of it is in the ring
   * already, or all.
   */
  withdraw(correlation: number): boolean {
    const message = this.#requests.get(correlation);
    if (message === undefined) return false;
    this.#requests.delete(correlation);
    this.queuedBytes -= message.left;
    message.withdraw();
    this.#withdrawn++;
    // A peer that is stopped takes nothing, however long calls time out here.
    if (this.#withdrawn > 32 && this.#withdrawn > this.length) {
      this.#queue = this.#queue.slice(this.#first).filter((each) => !each.isWithdrawn);
      this.#first = 0;
      this.#withdrawn = 0;
    }
    return true;
  }

  /** Writes what waits, as far as there is room; true if something was written. */
  flush(): boolean {
    let wrote = false;
    while (this.#first < this.#queue.length) {
      const message = this.#queue[this.#first]!;
      const before = message.left;
      const whole = message.isWithdrawn || message.write(this.#producer);
      const bytes = before - message.left;
      this.#count(message, bytes, whole);
      wrote ||= whole || bytes > 0;
      if (!whole) break;
      this.#first++;
    }
    // Not for each record: moving the others costs as much as there are of them.
    if (this.#first * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    return wrote;
  }

  /** So many more bytes of a record are in the ring. */
  #count(message: OutgoingMessage, bytes: number, whole: boolean): void {
    if (message.isWithdrawn) {
      this.#withdrawn--;
      return;
    }
    const { kind, correlation } = message.header;
    this.queuedBytes -= bytes;
    if (isOwed(kind)) this.owed -= bytes + (whole ? QUEUED_COST : 0);
    else if (kind === RecordKind.request && (whole || bytes > 0)) {
      this.#requests.delete(correlation);
    }
  }

  /** Is there room for the next piece of what waits? */
  canFlush(): boolean {
    const message = this.#queue[this.#first];
    if (message === undefined) return false;
    return message.isWithdrawn ||
      this.#producer.hasRoomFor(message.nextBytes(this.#producer.pieceBytes));
  }

  /** Forgets what waits and returns how many records that were. */
  discard(): number {
    const { length } = this;
    this.#queue = [];
    this.#first = 0;
    this.#withdrawn = 0;
    this.#requests.clear();
    this.queuedBytes = 0;
    this.owed = 0;
    return length;
  }
}

/**
 * Is there room for one more message of `length` bytes where some wait, with a limit of bytes?
 *
 * @throws {BackpressureError} There isn't.
 */
export function checkRoom(
  waiting: { readonly queuedBytes: number; readonly length: number },
  length: number,
  limit: number,
): void {
  const { queuedBytes } = waiting;
  if (queuedBytes + length > limit) throw new BackpressureError(queuedBytes, length, limit);
  if (waiting.length < MAX_QUEUED) return;
  const advice = `${MAX_QUEUED} messages wait, the most there can be: await \`writable\` first`;
  throw new BackpressureError(queuedBytes, length, limit, advice);
}

/**
 * Is there room for one more call of `length` bytes where some wait?
 *
 * @throws {BackpressureError} There isn't.
 */
export function checkCall(
  waiting: { readonly queuedBytes: number; readonly length: number },
  length: number,
  limit: number,
): void {
  const { queuedBytes } = waiting;
  if (waiting.length < MANY_CALLS || queuedBytes + length <= limit) return;
  const advice = `await some calls before making more (${MOST_OWED} times \`sendQueueBytes\`)`;
  throw new BackpressureError(queuedBytes, length, limit, advice);
}

/** Does a record of that kind answer to something that the peer did? */
function isOwed(kind: number): boolean {
  return kind === RecordKind.response || kind === RecordKind.release || kind > RecordKind.data;
}
