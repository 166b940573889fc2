/**
 * A subscriber's end of one publisher: its slot, and the ring behind it.
 *
 * @module
 */
import { CodecMismatchError, ConnectionLimitError } from "../errors.ts";
import { codecId, codecName } from "../codec/codec_id.ts";
import {
  Attached,
  Header,
  Kind,
  PublisherLayout,
  PublisherState,
  SlotState,
  SubscriberSlot,
  Wanted,
} from "../memory/layout.ts";
import type { LagPolicy } from "../memory/layout.ts";
import { readNodeId, writeNodeId } from "../memory/names.ts";
import { Segment } from "../memory/segment.ts";
import { BroadcastConsumer } from "../ring/broadcast_consumer.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { fileOf, idOf, PUBLISHER, shapeOf } from "./folder.ts";
import type { Participant, PublisherShape } from "./folder.ts";
import { slotAt } from "./subscriber_table.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";

/** A subscriber, as its links know it. */
export interface SubscriberIdentity {
  readonly name: string;
  readonly participant: Participant;
  readonly policy: LagPolicy;
  readonly history: number;
  readonly codec: string;
  readonly borrow: boolean;
  /** Some link may have news. */
  onNews(): void;
}

/** See the module. */
export class Subscription {
  /** Id of the publisher. */
  readonly id: string;
  readonly #realm: Realm;
  readonly #segment: Segment;
  readonly #shape: PublisherShape;
  readonly #identity: SubscriberIdentity;
  readonly #peer: Peer;
  readonly #slot: number;
  readonly #onDeath: () => void;
  #consumer: BroadcastConsumer | undefined;
  #isDead = false;
  /** Set when it is over before the publisher ended. */
  #reason: TopicGoneReason | undefined;

  private constructor(
    realm: Realm,
    segment: Segment,
    shape: PublisherShape,
    identity: SubscriberIdentity,
    publisher: Participant,
    peer: Peer,
    slot: number,
  ) {
    this.id = idOf(publisher);
    this.#realm = realm;
    this.#segment = segment;
    this.#shape = shape;
    this.#identity = identity;
    this.#peer = peer;
    this.#slot = slot;
    this.#onDeath = () => {
      this.#isDead = true;
      identity.onNews();
    };
    peer.onDeath.add(this.#onDeath);
  }

  /**
   * Maps a publisher's ring and takes a slot, or the one that the publisher reserved
   * for us. `undefined` if the publisher is gone. `isLocked`: the caller holds the lock
   * of the folder, without which no free slot may be taken.
   *
   * @throws {CodecMismatchError} It uses another codec.
   * @throws {ConnectionLimitError} It has no free slot.
   */
  static attach(
    realm: Realm,
    path: string,
    publisher: Participant,
    identity: SubscriberIdentity,
    isLocked: boolean,
  ): Subscription | undefined {
    const segment = Segment.open(
      realm.binding,
      `${path}/${fileOf(PUBLISHER, publisher)}`,
      Kind.publisher,
    );
    if (segment === undefined) return undefined;
    let peer: Peer | undefined;
    try {
      segment.releaseFile();
      const shape = shapeOf(segment);
      checkCodecOf(segment, identity);
      peer = segment.u32(PublisherLayout.state) === PublisherState.open
        ? realm.acquirePeer(publisher.node)
        : undefined;
      if (peer === undefined) {
        segment.close();
        return undefined;
      }
      const slot = findSlot(segment, shape, identity, isLocked);
      return new Subscription(realm, segment, shape, identity, publisher, peer, slot);
    } catch (error) {
      if (peer !== undefined) realm.releasePeer(peer);
      segment.close();
      throw error;
    }
  }

  /** Is it open, that is, do messages come? */
  get isOpen(): boolean {
    return this.#consumer !== undefined;
  }

  /** The reading end. */
  get consumer(): BroadcastConsumer | undefined {
    return this.#consumer;
  }

  /** Begins to read if the publisher has opened our slot. */
  open(): boolean {
    if (this.#segment.u32(this.#slot + SubscriberSlot.state) === SlotState.joining) return false;
    const { policy, borrow } = this.#identity;
    const { data, capacity } = this.#shape;
    this.#segment.setU32(this.#slot + SubscriberSlot.attached, Attached.yes);
    this.#consumer = new BroadcastConsumer(
      this.#segment,
      this.#slot,
      data,
      capacity,
      policy,
      borrow,
    );
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
    const isClosed = Atomics.load(this.#segment.words, PublisherLayout.state >> 2) ===
      PublisherState.closed;
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
    this.#tellOfSlot();
    this.#peer.onDeath.delete(this.#onDeath);
    this.#realm.releasePeer(this.#peer);
    this.#segment.close();
  }

  /** Tells the publisher that our slot changed. */
  #tellOfSlot(): void {
    Atomics.or(this.#segment.words, PublisherLayout.wanted >> 2, Wanted.look);
    this.#ring();
  }

  /** Tells the publisher that we are there. */
  greet(): void {
    this.#tellOfSlot();
  }

  #ring(): void {
    const door = this.#segment.u32(PublisherLayout.source);
    if (this.#peer.segment.mapped) this.#realm.reactor.ring(this.#peer.segment, door);
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

/** The slot that was reserved for us, or a free one. */
function findSlot(
  segment: Segment,
  { slots }: PublisherShape,
  { name, participant, policy, history }: SubscriberIdentity,
  isLocked: boolean,
): number {
  let free = -1;
  for (let index = 0; index < slots; index++) {
    const slot = slotAt(index);
    const state = segment.u32(slot + SubscriberSlot.state);
    if (state === SlotState.free) {
      if (free < 0) free = slot;
    } else if (isOurs(segment, slot, participant)) {
      return slot;
    }
  }
  if (free < 0 || !isLocked) {
    throw new ConnectionLimitError(name, slots, "publisher", "maxSubscribers");
  }
  writeNodeId(segment.bytes, free + SubscriberSlot.node, participant.node);
  segment.setU32(free + SubscriberSlot.source, participant.source);
  segment.setU32(free + SubscriberSlot.count, participant.count);
  segment.setU32(free + SubscriberSlot.policy, policy);
  segment.setU32(free + SubscriberSlot.history, history);
  segment.setU32(free + SubscriberSlot.attached, Attached.yes);
  segment.setU32(free + SubscriberSlot.waiting, 0);
  segment.setU32(free + SubscriberSlot.state, SlotState.joining);
  return free;
}

function isOurs(segment: Segment, slot: number, { node, source, count }: Participant): boolean {
  return segment.u32(slot + SubscriberSlot.count) === count &&
    segment.u32(slot + SubscriberSlot.source) === source &&
    readNodeId(segment.bytes, slot + SubscriberSlot.node) === node;
}
