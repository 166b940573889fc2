/**
 * A queue of bytes: one member of it, with those who wait here, and with the waking
 * of those who wait elsewhere.
 *
 * Who finds nothing sets its bit and looks again before it sleeps; who enqueues
 * rings as many of those as there are new messages. A ring can go to somebody who
 * doesn't need it any more: who wanted a message and has got one, or has given up,
 * passes it on. It can go to a process that is stopped: who rang looks again after a
 * moment, and rings another one while a message is left. Wake-ups that come too
 * often cost a look; nothing is taken from anybody because time passed.
 *
 * @module
 */
import { ClosedError } from "../errors.ts";
import { Kind, QueueLayout } from "../memory/layout.ts";
import { codecId, codecName } from "../codec/codec_id.ts";
import type { Timer } from "../platform/binding.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks } from "../membership/membership.ts";
import { Polled } from "../wake/reactor.ts";
import type { Source } from "../wake/reactor.ts";
import type { Realm } from "../wake/realm.ts";
import { WaitQueue } from "../wake/wait_queue.ts";
import { checkQueue, ChunkPool, maxMessageBytes, queueBytes } from "./pool.ts";
import { ChunkReader } from "./reader.ts";
import { recoverMember } from "./recover.ts";
import { WaiterBitmap } from "./waiter_bitmap.ts";
import { ChunkWriter } from "./writer.ts";

/** The folder of queues in the runtime directory. */
export const QUEUE_FOLDER = "queue";
/** Capacity of a new queue that nobody asked for. */
const DEFAULT_CAPACITY = 2 << 20;
/** After so many ms, who rang somebody looks whether the message is still there. */
const LOOK_AGAIN = 20;
/** Who waits for room looks that often at least, in ms; less often after each time. */
const LONGEST_LOOK = 1000;

/** What a queue did, as this side counts it. */
export interface QueueStatistics {
  /** Messages that were enqueued here. */
  readonly messagesEnqueued: number;
  /** Bytes of their payloads. */
  readonly bytesEnqueued: number;
  /** Messages that were handed over here, by `dequeue` or `take`. */
  readonly messagesDequeued: number;
  /** Bytes of their payloads. */
  readonly bytesDequeued: number;
  /** How many of them had been taken before, by somebody who didn't finish. */
  readonly redelivered: number;
  /** Deliveries that were acknowledged here. */
  readonly acknowledged: number;
  /** Deliveries that were given back here. */
  readonly rejected: number;
  /** Deliveries that are neither, now. */
  readonly unacknowledged: number;
}

/** A message that was taken and isn't done. */
export interface Held {
  readonly chunk: number;
  readonly position: number;
  readonly redelivered: boolean;
  /** It was given back, because the queue was closed. */
  onLost(): void;
}

/** What {@linkcode QueueCore} is opened with. */
export interface CoreParameters {
  readonly name: string;
  readonly encoded: string;
  readonly capacity: number | undefined;
  readonly codec: string;
  readonly durable: boolean;
}

/** See the module. */
export class QueueCore implements Source {
  /** The largest payload, in bytes. */
  readonly maxBytes: number;
  readonly capacity: number;
  /** Those here who wait for a message, and for room. */
  readonly messages: WaitQueue;
  readonly room: WaitQueue;
  readonly reader: ChunkReader;
  readonly counts = {
    messagesEnqueued: 0,
    bytesEnqueued: 0,
    messagesDequeued: 0,
    bytesDequeued: 0,
    redelivered: 0,
    acknowledged: 0,
    rejected: 0,
  };
  readonly #what: string;
  readonly #realm: Realm;
  readonly #index: number;
  readonly #membership: Membership;
  readonly #writer: ChunkWriter;
  readonly #wantMessage: WaiterBitmap;
  readonly #wantRoom: WaiterBitmap;
  readonly #held = new Set<Held>();
  #closed = false;
  /** Did we ask to be rung, and for what? */
  #askedMessage = false;
  #askedRoom = false;
  #messageTimer: Timer | undefined;
  #roomTimer: Timer | undefined;
  #roomDelay = LOOK_AGAIN;

  private constructor(realm: Realm, what: string, index: number, membership: Membership) {
    this.#realm = realm;
    this.#what = what;
    this.#index = index;
    this.#membership = membership;
    const { segment, members, index: member } = membership;
    const pool = new ChunkPool(segment);
    this.capacity = pool.capacity;
    this.maxBytes = maxMessageBytes(pool.capacity);
    this.reader = new ChunkReader(pool, members, member);
    this.#writer = new ChunkWriter(pool, members, member);
    this.#wantMessage = new WaiterBitmap(members, segment.words, QueueLayout.wantMessage);
    this.#wantRoom = new WaiterBitmap(members, segment.words, QueueLayout.wantRoom);
    const { reactor } = realm;
    this.messages = new WaitQueue(reactor, index, () => this.#askMessage(), () => this.settle());
    this.room = new WaitQueue(reactor, index, () => this.#askRoom(), () => this.settle());
  }

  /** Joins the queue, or makes it. */
  static open(realm: Realm, parameters: CoreParameters): QueueCore {
    const { name, encoded, capacity, codec, durable } = parameters;
    const index = realm.reactor.reserve();
    try {
      const membership = Membership.join(
        realm,
        {
          folder: QUEUE_FOLDER,
          name,
          encoded,
          kind: Kind.queue,
          dataBytes: queueBytes,
          capacity,
          defaultCapacity: DEFAULT_CAPACITY,
          codec: codecId(codec),
          codecName,
          durable,
        },
        HOOKS,
        index,
      );
      const core = new QueueCore(realm, `queue "${name}"`, index, membership);
      realm.reactor.attach(index, core);
      return core;
    } catch (error) {
      realm.reactor.remove(index);
      throw error;
    }
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** @throws {ClosedError} */
  checkOpen(): void {
    if (this.#closed) throw new ClosedError(this.#what);
  }

  /** How many deliveries are neither done nor given back. */
  get unacknowledged(): number {
    return this.#held.size;
  }

  /** Appends a message, of a size that is allowed; false if there is no room. */
  put(payload: Uint8Array): boolean {
    if (!this.#writer.put(payload)) return false;
    this.counts.bytesEnqueued += payload.length;
    this.#afterPut(1);
    return true;
  }

  /** Appends messages from an index on; the index of the first that has no room. */
  putMany(payloads: readonly Uint8Array[], from: number): number {
    const next = this.#writer.putMany(payloads, from);
    if (next === from) return from;
    for (let i = from; i < next; i++) this.counts.bytesEnqueued += payloads[i]!.length;
    this.#afterPut(next - from);
    return next;
  }

  #afterPut(count: number): void {
    this.counts.messagesEnqueued += count;
    this.#roomDelay = LOOK_AGAIN;
    if (this.#wantMessage.any()) {
      this.#wantMessage.ring(count);
      this.#lookLater();
    }
    // Somebody may have found no chunk but the one that we held.
    if (this.#writer.leftRoom && this.#wantRoom.any()) this.#wantRoom.ringAll();
  }

  /** Claims the next message for good; its payload, or `undefined`. */
  dequeue(): Uint8Array<ArrayBuffer> | undefined {
    const { reader } = this;
    let claimed = false;
    try {
      claimed = reader.claim(false);
    } finally {
      this.#endRead(claimed);
    }
    if (!claimed) return undefined;
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
      // What was claimed before is handed over; the next call meets the same again.
      if (payloads.length === 0) throw error;
    } finally {
      this.#endRead(payloads.length > 0);
    }
    return payloads;
  }

  /** Claims the next message until it is finished or given back; false if there is none. */
  take(): boolean {
    const { reader } = this;
    let claimed = false;
    try {
      claimed = reader.claim(true);
    } finally {
      this.#endRead(false);
    }
    if (claimed) this.#count(reader.payload);
    return claimed;
  }

  #count({ length }: Uint8Array): void {
    this.counts.messagesDequeued++;
    this.counts.bytesDequeued += length;
    if (this.reader.redelivered) this.counts.redelivered++;
  }

  /** Lets go what was read, and tells those who wait for room if there may be some. */
  #endRead(isDone: boolean): void {
    const { reader } = this;
    reader.release();
    // A chunk that a producer found done, but read by us, or that is done since.
    if (this.#wantRoom.any() && (reader.passed || (isDone && this.#isDone(reader.chunk)))) {
      this.#wantRoom.ringAll();
    }
    reader.passed = false;
  }

  #isDone(chunk: number): boolean {
    try {
      return this.reader.isChunkDone(chunk);
    } finally {
      this.reader.release();
    }
  }

  /** Remembers a message that {@linkcode QueueCore.take} claimed. */
  hold(held: Held): void {
    this.#held.add(held);
  }

  /** A message that was taken is done. */
  acknowledge(held: Held): void {
    this.#held.delete(held);
    this.reader.finish(held.chunk, held.position, held.redelivered);
    this.counts.acknowledged++;
    if (this.#wantRoom.any() && this.#isDone(held.chunk)) this.#wantRoom.ringAll();
  }

  /** A message that was taken is for somebody else. */
  giveBack(held: Held): void {
    this.#held.delete(held);
    this.reader.giveBack(held.chunk, held.position, held.redelivered);
    this.counts.rejected++;
    if (this.#wantMessage.any()) {
      this.#wantMessage.ring(1);
      this.#lookLater();
    }
  }

  /** See {@linkcode Source}. */
  poll(): Polled {
    if (this.#closed) return Polled.nothing;
    const room = this.room.poll();
    const messages = this.messages.poll();
    this.settle();
    return room > messages ? room : messages;
  }

  /** See {@linkcode Source}. */
  arm(): boolean {
    if (this.#closed) return true;
    const room = this.room.arm();
    const messages = this.messages.arm();
    this.settle();
    return room && messages;
  }

  #askMessage(): void {
    this.#askedMessage = true;
    this.#wantMessage.add(this.#membership.index);
  }

  #askRoom(): void {
    this.#askedRoom = true;
    this.#wantRoom.add(this.#membership.index);
    // Between finding a chunk done and telling us, a consumer may be stopped.
    this.#roomTimer ??= this.#realm.reactor.startTimer(() => {
      this.#roomTimer = undefined;
      this.#roomDelay = Math.min(2 * this.#roomDelay, LONGEST_LOOK);
      if (!this.#closed && this.room.length > 0) this.#realm.reactor.heat(this.#index);
    }, this.#roomDelay);
  }

  /**
   * When nobody waits here any more: takes our bits back. If somebody else took the
   * one for messages, it rang us for a message, which may still be there for others.
   */
  settle(): void {
    if (this.#closed) return;
    if (this.#askedRoom && this.room.length === 0) {
      this.#askedRoom = false;
      if (!this.#wantRoom.take(this.#membership.index)) this.#wantRoom.ringAll();
    }
    if (!this.#askedMessage || this.messages.length > 0) return;
    this.#askedMessage = false;
    if (!this.#wantMessage.take(this.#membership.index)) this.#passOn();
  }

  /** Rings one who waits if there is a message. */
  #passOn(): void {
    if (!this.#wantMessage.any() || !this.#hasMessage()) return;
    if (this.#wantMessage.ringOne()) this.#lookLater();
  }

  /** False too if the queue is corrupt: who uses it is told. */
  #hasMessage(): boolean {
    try {
      return this.reader.hasMessage();
    } catch {
      return false;
    } finally {
      this.reader.passed = true;
      this.#endRead(false);
    }
  }

  #lookLater(): void {
    this.#messageTimer ??= this.#realm.reactor.startTimer(() => {
      this.#messageTimer = undefined;
      if (!this.#closed) this.#passOn();
    }, LOOK_AGAIN);
  }

  /** Gives back what was taken, ends all waits, and leaves. */
  close(): void {
    if (this.#closed) return;
    const error = new ClosedError(this.#what);
    this.messages.fail(error);
    this.room.fail(error);
    try {
      this.#leaveOthers();
    } finally {
      this.#closed = true;
      const { reactor } = this.#realm;
      if (this.#messageTimer !== undefined) reactor.stopTimer(this.#messageTimer);
      if (this.#roomTimer !== undefined) reactor.stopTimer(this.#roomTimer);
      reactor.remove(this.#index);
      this.#membership.leave();
    }
  }

  /** Leaves nothing that others would wait for. */
  #leaveOthers(): void {
    for (const held of [...this.#held]) {
      held.onLost();
      try {
        this.giveBack(held);
      } catch {
        // It is corrupt: who uses it is told.
      }
    }
    const { index } = this.#membership;
    this.#wantMessage.take(index);
    this.#wantRoom.take(index);
    if (this.#wantMessage.any() && this.#hasMessage()) this.#wantMessage.ringAll();
    this.#wantRoom.ringAll();
  }
}

const HOOKS: MembershipHooks = {
  check: checkQueue,
  recover: (segment, member, self) => recoverMember(new ChunkPool(segment), member, self),
};
