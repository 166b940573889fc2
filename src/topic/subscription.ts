/**
 * A subscriber's end of one publisher: its slot, and the ring behind it.
 *
 * @module
 */
import { CodecMismatchError, ConnectionLimitError, CorruptSegmentError } from "../errors.ts";
import { codecId, codecName } from "../codec/codec_id.ts";
import {
  Attached,
  Header,
  Kind,
  LagPolicy,
  PublisherLayout,
  PublisherState,
  SlotState,
  SubscriberSlot,
  Wanted,
} from "../memory/layout.ts";
import { readNodeId, writeNodeId } from "../memory/names.ts";
import { Segment } from "../memory/segment.ts";
import { BroadcastConsumer } from "../ring/broadcast_consumer.ts";
import type { Handle } from "../wake/handle.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { idOf, shapeOf } from "./folder.ts";
import type { Participant, PublisherShape } from "./folder.ts";
import { slotAt } from "./subscriber_table.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";

/** A subscriber, as its subscriptions know it. */
export interface SubscriberIdentity {
  readonly name: string;
  readonly participant: Participant;
  readonly policy: LagPolicy;
  readonly history: number;
  readonly codec: string;
  readonly borrow: boolean;
}

/** See the module. */
export class Subscription {
  /** Id of the publisher. */
  readonly id: string;
  readonly #realm: Realm;
  readonly #segment: Segment;
  readonly #shape: PublisherShape;
  readonly #identity: SubscriberIdentity;
  /** The publisher's node; `undefined` if it was dead before we came. */
  readonly #peer: Peer | undefined;
  readonly #slot: number;
  readonly #forgetDeath: () => void;
  #consumer: BroadcastConsumer | undefined;
  #isDead: boolean;
  /** Set when it is over before the publisher ended. */
  #reason: TopicGoneReason | undefined;

  private constructor(
    handle: Handle,
    segment: Segment,
    shape: PublisherShape,
    identity: SubscriberIdentity,
    publisher: Participant,
    peer: Peer | undefined,
    slot: number,
  ) {
    this.id = idOf(publisher);
    this.#realm = handle.realm;
    this.#segment = segment;
    this.#shape = shape;
    this.#identity = identity;
    this.#peer = peer;
    this.#slot = slot;
    this.#isDead = peer === undefined;
    this.#forgetDeath = peer === undefined ? () => {} : handle.onPeerDeath(peer, () => {
      this.#isDead = true;
      handle.heat();
    });
  }

  /**
   * Maps the ring of a publisher that is there, and takes a slot; `undefined` if the publisher
   * is gone. The caller holds the lock of the folder, without which no free slot may be taken.
   *
   * @throws {CodecMismatchError} It uses another codec.
   * @throws {ConnectionLimitError} It has no free slot.
   */
  static join(
    handle: Handle,
    path: string,
    publisher: Participant,
    identity: SubscriberIdentity,
  ): Subscription | undefined {
    return attach(handle, path, publisher, identity, (segment, shape, peer) => {
      const isOpen = segment.u32(PublisherLayout.state) === PublisherState.open;
      if (peer === undefined || !isOpen) return undefined;
      const slot = freeSlot(segment, shape, identity);
      return new Subscription(handle, segment, shape, identity, publisher, peer, slot);
    });
  }

  /**
   * Maps the ring of a publisher that invited us, which may be closed or dead by now, and finds
   * the slot that it reserved; `undefined` if the file is gone.
   *
   * @throws {CodecMismatchError} It uses another codec.
   * @throws {ConnectionLimitError} It had no free slot.
   */
  static accept(
    handle: Handle,
    path: string,
    publisher: Participant,
    identity: SubscriberIdentity,
  ): Subscription | undefined {
    return attach(handle, path, publisher, identity, (segment, shape, peer) => {
      const slot = ourSlot(segment, shape, identity);
      return new Subscription(handle, segment, shape, identity, publisher, peer, slot);
    });
  }

  /** Is it open, that is, do messages come? */
  get isOpen(): boolean {
    return this.#consumer !== undefined;
  }

  /** The reading end. */
  get consumer(): BroadcastConsumer | undefined {
    return this.#consumer;
  }

  /**
   * Begins to read if the publisher has opened our slot.
   *
   * @throws {CorruptSegmentError} The publisher wrote what it can't have.
   */
  open(): boolean {
    if (this.#reason !== undefined) return false;
    const segment = this.#segment;
    const state = segment.u32(this.#slot + SubscriberSlot.state);
    if (state === SlotState.joining) return false;
    if (state !== SlotState.open && state !== SlotState.cut) {
      throw new CorruptSegmentError(`publisher ${this.id} gave our slot the state ${state}`);
    }
    const { policy, borrow } = this.#identity;
    const { data, capacity } = this.#shape;
    // ORDER: first we say that we came, then we look whether the publisher has given us up.
    segment.setU32(this.#slot + SubscriberSlot.attached, Attached.yes);
    const mayBeOvertaken = policy !== LagPolicy.block ||
      segment.u32(PublisherLayout.overtakes) !== 0 ||
      segment.u32(this.#slot + SubscriberSlot.lag) !== 0;
    const mode = { policy, mayBeOvertaken, borrow };
    this.#consumer = new BroadcastConsumer(segment, this.#slot, data, capacity, mode);
    return true;
  }

  /**
   * Goes on to the next message. Rings the publisher if it waits for room.
   *
   * @throws {CorruptSegmentError} The publisher wrote what it can't have.
   */
  next(): boolean {
    const consumer = this.#consumer;
    if (consumer === undefined || this.#reason !== undefined) return false;
    if (consumer.hasBatch) return consumer.next();
    const found = consumer.next();
    if (consumer.takeRoomWanted()) this.#ring();
    if (consumer.isCut) this.#reason = "lagged";
    return found;
  }

  /** It is over, whatever is still there. */
  end(reason: TopicGoneReason): void {
    this.#reason = reason;
  }

  /** Why it is over and nothing is left to read; `undefined` if it isn't. */
  get gone(): TopicGoneReason | undefined {
    if (this.#reason !== undefined) return this.#reason;
    const isClosed = this.#segment.u32(PublisherLayout.state) === PublisherState.closed;
    if (!isClosed && !this.#isDead && !this.#isRefused) return undefined;
    // What was published before it closed is there by now.
    if (this.#consumer?.hasMore()) return undefined;
    return isClosed ? "closed" : this.#isDead ? "died" : "corrupt";
  }

  /** The publisher found our words corrupt. */
  get #isRefused(): boolean {
    return this.#segment.u32(this.#slot + SubscriberSlot.state) === SlotState.cut;
  }

  /** Asks to be rung at the next message; true if there is none yet. */
  arm(): boolean {
    if (this.#consumer === undefined) return true;
    this.#consumer.setWaiting();
    return !this.#consumer.hasMore();
  }

  /** Gives the slot back, and the ring. */
  close(): void {
    if (this.#reason === "lagged") {
      this.#segment.setU32(this.#slot + SubscriberSlot.attached, Attached.lagged);
    }
    this.#segment.setU32(this.#slot + SubscriberSlot.state, SlotState.free);
    this.tellOfSlot();
    this.#forgetDeath();
    if (this.#peer !== undefined) this.#realm.releasePeer(this.#peer);
    this.#segment.close();
  }

  /** Tells the publisher that our slot changed. */
  tellOfSlot(): void {
    Atomics.or(this.#segment.words, PublisherLayout.wanted >> 2, Wanted.look);
    this.#ring();
  }

  #ring(): void {
    const door = this.#segment.u32(PublisherLayout.source);
    if (this.#peer?.segment.mapped) this.#realm.reactor.ring(this.#peer.segment, door);
  }
}

/** Maps a publisher's ring, checks it, and makes a subscription of it; `undefined` if it is gone. */
function attach(
  { realm }: Handle,
  path: string,
  publisher: Participant,
  identity: SubscriberIdentity,
  make: (
    segment: Segment,
    shape: PublisherShape,
    peer: Peer | undefined,
  ) => Subscription | undefined,
): Subscription | undefined {
  const segment = Segment.open(realm.binding, path, Kind.publisher);
  if (segment === undefined) return undefined;
  let peer: Peer | undefined;
  let subscription: Subscription | undefined;
  try {
    segment.releaseFile();
    const shape = shapeOf(segment);
    checkCodecOf(segment, identity);
    peer = realm.acquirePeer(publisher.node);
    return subscription = make(segment, shape, peer);
  } finally {
    if (subscription === undefined) {
      if (peer !== undefined) realm.releasePeer(peer);
      segment.close();
    }
  }
}

function checkCodecOf(segment: Segment, { name, codec }: SubscriberIdentity): void {
  const theirs = segment.u32(Header.codec);
  if (theirs === codecId(codec)) return;
  throw new CodecMismatchError(
    name,
    codec,
    codecName(theirs),
    "a publisher of topic",
    "this subscriber",
  );
}

/** Takes a free slot. */
function freeSlot(
  segment: Segment,
  { slots }: PublisherShape,
  { name, participant, policy, history }: SubscriberIdentity,
): number {
  const slot = findSlot(
    slots,
    (slot) => segment.u32(slot + SubscriberSlot.state) === SlotState.free,
  );
  if (slot === undefined) throw noSlot(name, slots);
  writeNodeId(segment.bytes, slot + SubscriberSlot.node, participant.node);
  segment.setU32(slot + SubscriberSlot.source, participant.source);
  segment.setU32(slot + SubscriberSlot.count, participant.count);
  segment.setU32(slot + SubscriberSlot.policy, policy);
  segment.setU32(slot + SubscriberSlot.history, history);
  segment.setU32(slot + SubscriberSlot.attached, Attached.yes);
  segment.setU32(slot + SubscriberSlot.waiting, 0);
  segment.setU32(slot + SubscriberSlot.state, SlotState.joining);
  return slot;
}

/** The slot that was reserved for us. */
function ourSlot(
  segment: Segment,
  { slots }: PublisherShape,
  { name, participant }: SubscriberIdentity,
): number {
  const slot = findSlot(
    slots,
    (slot) =>
      segment.u32(slot + SubscriberSlot.state) !== SlotState.free &&
      isOurs(segment, slot, participant),
  );
  if (slot === undefined) throw noSlot(name, slots);
  return slot;
}

function findSlot(slots: number, fits: (slot: number) => boolean): number | undefined {
  for (let index = 0; index < slots; index++) if (fits(slotAt(index))) return slotAt(index);
  return undefined;
}

function noSlot(name: string, slots: number): ConnectionLimitError {
  return new ConnectionLimitError(name, slots, "publisher", "maxSubscribers");
}

function isOurs(segment: Segment, slot: number, { node, source, count }: Participant): boolean {
  return segment.u32(slot + SubscriberSlot.count) === count &&
    segment.u32(slot + SubscriberSlot.source) === source &&
    readNodeId(segment.bytes, slot + SubscriberSlot.node) === node;
}
