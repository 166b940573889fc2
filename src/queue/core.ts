/**
 * A queue of bytes: one member of it, with the waits of this side, and with the waking
 * of other members.
 *
 * A member that finds nothing sets its bit and looks again before it sleeps; a member that
 * enqueues rings as many of those as there are new messages. A ring can go to a member
 * that doesn't need it any more: one that wanted a message and has got one, or has given
 * up, passes it on. It can go to a process that is stopped: the one that rang looks again
 * after a moment, and rings another member while a message is left. Wake-ups that come too
 * often cost a look; nothing is taken from a process because time passed.
 *
 * What others wrote that makes no sense ends the queue for this process: its calls throw the
 * {@linkcode CorruptSegmentError} from then on.
 *
 * @module
 */
import { CorruptSegmentError, isShortage } from "../errors.ts";
import type { ReceiveStatistics, SendStatistics } from "../statistics.ts";
import { Kind, QueueLayout } from "../memory/layout.ts";
import { codecId, codecName } from "../codec/codec_id.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks } from "../membership/membership.ts";
import type { Handle } from "../wake/handle.ts";
import type { Polled } from "../wake/reactor.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { checkQueue, ChunkPool, maxMessageBytes, queueBytes } from "./pool.ts";
import { ChunkReader } from "./reader.ts";
import type { Taken } from "./reader.ts";
import { recoverMember } from "./recover.ts";
import { WaiterBitmap } from "./waiter_bitmap.ts";
import { ChunkWriter } from "./writer.ts";

/** The folder of queues in the runtime directory. */
export const QUEUE_FOLDER = "queue";
/** The capacity of a new queue, if the user names none. */
export const DEFAULT_CAPACITY = 2 << 20;
/** So many ms after it rang another member, a member looks whether the message is still there. */
const LOOK_AGAIN = 20;
/** The longest time between two looks of a wait for room, in ms; each is longer than the last. */
const LONGEST_LOOK = 1000;

/**
 * What a queue did, as this side counts it. Sent is what was enqueued here; received is what was
 * handed over here, by `dequeue` or `take`, or moved to the dead-letter queue.
 */
export interface QueueStatistics extends SendStatistics, ReceiveStatistics {
  /** How many of those received had been delivered before, and given back. */
  readonly redelivered: number;
  /** Deliveries that were acknowledged here. */
  readonly acknowledged: number;
  /** Deliveries that were rejected or disposed of here, or given back when the queue was closed. */
  readonly rejected: number;
  /** Messages that were moved to the dead-letter queue here. */
  readonly deadLettered: number;
  /** Deliveries that are neither, now. */
  readonly unacknowledged: number;
}

/** A message that a user of this side has, and isn't done. */
export interface HeldMessage extends Taken {
  /** It was given back, because the queue was closed. */
  onLost(): void;
}

/** What {@linkcode QueueCore} is opened with. */
export interface CoreParameters {
  readonly name: string;
  readonly encoded: string;
  readonly capacity: number | undefined;
  /** Of a queue that is made, without a `capacity`. */
  readonly defaultCapacity: number;
  readonly codec: string;
  readonly durable: boolean;
}

/** See the module. */
export class QueueCore {
  /** The largest payload, in bytes. */
  readonly maxBytes: number;
  readonly capacity: number;
  /** Waits of this side for a message, and for room. */
  readonly messages: WaitQueue;
  readonly room: WaitQueue;
  readonly reader: ChunkReader;
  readonly counts = {
    messagesSent: 0,
    bytesSent: 0,
    messagesReceived: 0,
    bytesReceived: 0,
    redelivered: 0,
    acknowledged: 0,
    rejected: 0,
    deadLettered: 0,
  };
  readonly #handle: Handle;
  readonly #membership: Membership;
  readonly #writer: ChunkWriter;
  readonly #wantMessage: WaiterBitmap;
  readonly #wantRoom: WaiterBitmap;
  readonly #held = new Set<HeldMessage>();
  /** Messages that are taken, and that no user has: they wait for their time, or for room. */
  readonly #kept = new Set<Taken>();
  /** Did we ask to be rung, and for what? */
  #askedMessage = false;
  #askedRoom = false;
  #hasMessageTimer = false;
  #hasRoomTimer = false;
  #hasWakeTimer = false;
  #roomDelay = LOOK_AGAIN;

  private constructor(handle: Handle, membership: Membership) {
    this.#handle = handle;
    this.#membership = membership;
    const { segment, members, index: member } = membership;
    const pool = new ChunkPool(segment);
    this.capacity = pool.capacity;
    this.maxBytes = maxMessageBytes(pool.capacity);
    this.reader = new ChunkReader(pool, members, member);
    this.#writer = new ChunkWriter(pool, members, member);
    this.#wantMessage = new WaiterBitmap(members, segment.words, QueueLayout.wantMessage);
    this.#wantRoom = new WaiterBitmap(members, segment.words, QueueLayout.wantRoom);
    const { reactor, index } = handle;
    const settle = (): void => this.#settle();
    this.messages = new WaitQueue(reactor, index, () => this.#askMessage(), settle);
    this.room = new WaitQueue(reactor, index, () => this.#askRoom(), settle);
    for (const step of this.#closeSteps()) handle.onClose(step);
    handle.attach({ poll: () => this.#poll(), arm: () => this.#arm() });
  }

  /** Joins the queue, or makes it; it goes with the handle. */
  static async open(
    handle: Handle,
    parameters: CoreParameters,
    signal?: AbortSignal,
  ): Promise<QueueCore> {
    const { name, encoded, capacity, defaultCapacity, codec, durable } = parameters;
    const membership = await Membership.open(
      handle,
      {
        folder: QUEUE_FOLDER,
        name,
        encoded,
        kind: Kind.queue,
        dataBytes: queueBytes,
        capacity,
        defaultCapacity,
        codec: codecId(codec),
        codecName,
        durable,
      },
      HOOKS,
      signal,
    );
    try {
      return new QueueCore(handle, membership);
    } catch (error) {
      membership.leave();
      throw error;
    }
  }

  /** What messages call it. */
  get what(): string {
    return this.#handle.what;
  }

  /** @throws {ClosedError} Or what made the queue fail. */
  checkOpen(): void {
    this.#handle.checkOpen();
  }

  /** How many deliveries are neither done nor given back. */
  get unacknowledged(): number {
    return this.#held.size;
  }

  /** Something failed. What makes the memory useless ends the queue here. Returns the error. */
  failed(error: unknown): unknown {
    if (error instanceof CorruptSegmentError) this.#handle.fail(error);
    return error;
  }

  /** Appends a message, of a size that is allowed; false if there is no room. */
  put(payload: Uint8Array): boolean {
    try {
      if (!this.#writer.put(payload)) return false;
    } catch (error) {
      throw this.failed(error);
    }
    this.counts.bytesSent += payload.length;
    this.#afterPut(1);
    return true;
  }

  /** Appends messages from an index on; the index of the first that has no room. */
  putMany(payloads: readonly Uint8Array[], from: number): number {
    let next: number;
    try {
      next = this.#writer.putMany(payloads, from);
    } catch (error) {
      throw this.failed(error);
    }
    if (next === from) return from;
    for (let i = from; i < next; i++) this.counts.bytesSent += payloads[i]!.length;
    this.#afterPut(next - from);
    return next;
  }

  #afterPut(count: number): void {
    this.counts.messagesSent += count;
    this.#roomDelay = LOOK_AGAIN;
    this.#tellMessages(count);
    // Another producer may have found no chunk but the one that we held.
    if (this.#writer.leftRoom) this.#tellRoom();
  }

  /** Claims the next message for good; its payload, or `undefined`. */
  dequeue(): Uint8Array<ArrayBuffer> | undefined {
    const { reader } = this;
    if (!this.#claim(false)) return undefined;
    this.#endRead(true);
    this.#count(reader.payload);
    return reader.payload;
  }

  /** Claims messages for good, at most so many. */
  dequeueMany(most: number): Uint8Array<ArrayBuffer>[] {
    const { reader } = this;
    const payloads: Uint8Array<ArrayBuffer>[] = [];
    try {
      while (payloads.length < most && reader.claim(false)) {
        this.#count(reader.payload);
        payloads.push(reader.payload);
      }
    } catch (error) {
      // What was claimed before is handed over. The queue ends with the next call.
      if (payloads.length === 0) throw this.failed(error);
    }
    this.#endRead(payloads.length > 0);
    return payloads;
  }

  /** Claims the next message until it is finished or given back; false if there is none. */
  take(): boolean {
    if (!this.#claim(true)) return false;
    this.#endRead(false);
    this.#count(this.reader.payload);
    return true;
  }

  #claim(keep: boolean): boolean {
    try {
      if (this.reader.claim(keep)) return true;
    } catch (error) {
      throw this.failed(error);
    }
    this.#endRead(false);
    return false;
  }

  #count({ length }: Uint8Array): void {
    this.counts.messagesReceived++;
    this.counts.bytesReceived += length;
    if (this.reader.returns > 0) this.counts.redelivered++;
  }

  /** Lets go what was read, and tells those that wait for room if there may be some. */
  #endRead(isDone: boolean): void {
    const { reader } = this;
    reader.release();
    // A chunk that a producer found done, but read by us, or that is done since.
    const { passed } = reader;
    reader.passed = false;
    if (passed) this.#tellRoom();
    else if (isDone) this.#tellIfDone(reader.chunk);
  }

  /** Tells those that wait for room if all messages in a chunk are done. */
  #tellIfDone(chunk: number): void {
    try {
      if (!this.#wantRoom.any() || !this.reader.isChunkDone(chunk)) return;
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.reader.release();
    }
    this.#tellRoom();
  }

  /** A user has a message that {@linkcode QueueCore.take} claimed. */
  hold(held: HeldMessage): void {
    this.#held.add(held);
  }

  /** This side keeps a message that is taken, until it is finished or given back. */
  keep(taken: Taken): void {
    this.#kept.add(taken);
  }

  /** A user is done with a message. */
  acknowledge(held: HeldMessage): void {
    this.#held.delete(held);
    this.finish(held);
    this.counts.acknowledged++;
  }

  /** A message that was taken is done. */
  finish(taken: Taken): void {
    this.#kept.delete(taken);
    try {
      this.reader.finish(taken);
    } catch (error) {
      throw this.failed(error);
    }
    this.#tellIfDone(taken.chunk);
  }

  /** A user rejected a message. What becomes of it the caller says. */
  letGo(held: HeldMessage): void {
    this.#held.delete(held);
    this.counts.rejected++;
  }

  /** A message that was taken is for the next consumer, after `delay` ms. */
  giveBack(taken: Taken, delay = 0): void {
    if (delay > 0) {
      this.keep(taken);
      this.startTimer(() => this.giveBack(taken), delay);
      return;
    }
    this.#kept.delete(taken);
    try {
      this.reader.giveBack(taken);
    } catch (error) {
      throw this.failed(error);
    }
    this.#tellMessages(1);
  }

  /** How many messages wait. */
  count(): number {
    this.checkOpen();
    try {
      return this.reader.count();
    } catch (error) {
      throw this.failed(error);
    }
  }

  /** Runs a task later, unless the queue is closed before. */
  startTimer(task: () => void, milliseconds: number): void {
    this.#handle.startTimer(task, milliseconds);
  }

  // ----------------------------------------------------------------- waking

  /** Rings members that wait for messages, of which there are so many more. */
  #tellMessages(count: number): void {
    try {
      if (!this.#wantMessage.any()) return;
      this.#lookLater();
      this.#wantMessage.ring(count);
    } catch (error) {
      this.#onRingFailed(error);
    }
  }

  /** Rings members that wait for room. */
  #tellRoom(): void {
    try {
      if (this.#wantRoom.any()) this.#wantRoom.ringAll();
    } catch (error) {
      this.#onRingFailed(error);
      this.#wakeRoomLater();
    }
  }

  /** What was done is done: a member that can't be rung now (no descriptors left) is rung later. */
  #onRingFailed(error: unknown): void {
    if (!isShortage(error)) throw this.failed(error);
  }

  #wakeRoomLater(): void {
    if (this.#hasWakeTimer) return;
    this.#hasWakeTimer = true;
    this.startTimer(() => {
      this.#hasWakeTimer = false;
      this.#tellRoom();
    }, LOOK_AGAIN);
  }

  #poll(): Polled {
    const room = this.room.poll();
    const messages = this.messages.poll();
    this.#settle();
    return room > messages ? room : messages;
  }

  #arm(): boolean {
    const room = this.room.arm();
    const messages = this.messages.arm();
    this.#settle();
    return room && messages;
  }

  #askMessage(): void {
    this.#askedMessage = true;
    this.#wantMessage.add(this.#membership.index);
  }

  #askRoom(): void {
    this.#askedRoom = true;
    this.#wantRoom.add(this.#membership.index);
    if (this.#hasRoomTimer) return;
    // Between finding a chunk done and telling us, a consumer may be stopped.
    this.#hasRoomTimer = true;
    this.startTimer(() => {
      this.#hasRoomTimer = false;
      this.#roomDelay = Math.min(2 * this.#roomDelay, LONGEST_LOOK);
      if (this.room.length > 0) this.#handle.heat();
    }, this.#roomDelay);
  }

  /**
   * When this side doesn't wait any more: takes its bits back. If another member took the
   * one for messages, it rang us for a message, which may still be there for others.
   */
  settle(): void {
    this.#handle.guard(() => this.#settle());
  }

  #settle(): void {
    // What was attempted may have closed it.
    if (this.#handle.isClosed) return;
    if (this.#askedRoom && this.room.length === 0) {
      this.#askedRoom = false;
      if (!this.#wantRoom.take(this.#membership.index)) this.#tellRoom();
    }
    if (!this.#askedMessage || this.messages.length > 0) return;
    this.#askedMessage = false;
    if (!this.#wantMessage.take(this.#membership.index)) this.#passOn();
  }

  /** Rings one member that waits if there is a message. */
  #passOn(): void {
    try {
      if (this.#wantMessage.any() && this.#hasMessage() && this.#wantMessage.ringOne()) {
        this.#lookLater();
      }
    } catch (error) {
      this.#onRingFailed(error);
      this.#lookLater();
    }
  }

  #hasMessage(): boolean {
    try {
      return this.reader.hasMessage();
    } finally {
      this.reader.release();
      this.reader.passed = false;
      this.#tellRoom();
    }
  }

  #lookLater(): void {
    if (this.#hasMessageTimer) return;
    this.#hasMessageTimer = true;
    this.startTimer(() => {
      this.#hasMessageTimer = false;
      this.#passOn();
    }, LOOK_AGAIN);
  }

  // ------------------------------------------------------------------ closing

  /** The steps of closing: each runs, whatever the others throw. */
  #closeSteps(): (() => void)[] {
    const { index } = this.#membership;
    const bitmaps = [this.#wantMessage, this.#wantRoom];
    return [
      ...[this.messages, this.room].map((line) => () => line.fail(this.#handle.reason)),
      () => this.#giveAllBack(),
      ...bitmaps.map((bitmap) => () => void bitmap.take(index)),
      // A ring that was for us may be for another member.
      ...bitmaps.map((bitmap) => () => bitmap.ringAll()),
      () => this.#membership.leave(),
    ];
  }

  #giveAllBack(): void {
    for (const held of this.#held) held.onLost();
    for (const taken of [...this.#held, ...this.#kept]) {
      try {
        this.reader.giveBack(taken);
      } catch {
        // It is corrupt, which its next user is told. The others are given back.
      }
    }
    this.counts.rejected += this.#held.size;
    this.#held.clear();
    this.#kept.clear();
  }
}

const HOOKS: MembershipHooks = {
  check: checkQueue,
  recover: (segment, member, self) => recoverMember(new ChunkPool(segment), member, self),
};
