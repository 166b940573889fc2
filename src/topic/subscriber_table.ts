/**
 * The subscribers of a publisher: its end of the table of slots.
 *
 * Subscribers take slots and give them back; the publisher opens them, because it
 * alone knows where its ring begins and ends. It finds out about both when it next
 * publishes, or in a turn of its reactor. The slot of a subscriber that is proved
 * dead it frees itself.
 *
 * @module
 */
import { CorruptSegmentError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import { Attached, PublisherLayout, SlotState, SubscriberSlot } from "../memory/layout.ts";
import type { LagPolicy } from "../memory/layout.ts";
import { readNodeId, writeNodeId } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import type { CutReason } from "../ring/broadcast_producer.ts";
import { BroadcastProducer } from "../ring/broadcast_producer.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { idOf, policyOf } from "./folder.ts";
import type { Participant, PublisherShape } from "./folder.ts";

/** Why a partner of a topic is gone: `"lagged"`, because it asked for that. */
export type TopicGoneReason = GoneReason | "lagged";

/** What the table tells its publisher. None of it may happen while it writes a record. */
export interface SubscriberTableEvents {
  joined(id: string): void;
  left(id: string, reason: TopicGoneReason): void;
  failed(error: unknown): void;
}

/** A subscriber that has a slot. */
interface Entry {
  readonly id: string;
  readonly slot: number;
  readonly participant: Participant;
  readonly peer: Peer;
  readonly onDeath: () => void;
  /** It was cut off, and hasn't given its slot back yet. */
  isCut: boolean;
}

/** See the module. */
export class SubscriberTable {
  readonly producer: BroadcastProducer;
  readonly #realm: Realm;
  readonly #segment: Segment;
  readonly #events: SubscriberTableEvents;
  readonly #slots: number;
  readonly #history: number;
  /** By the index of the slot. */
  readonly #entries: (Entry | undefined)[];
  /** Those that read. */
  #active: Entry[] = [];

  /** `history`: the most messages that a late joiner gets. */
  constructor(
    realm: Realm,
    segment: Segment,
    shape: PublisherShape,
    history: number,
    events: SubscriberTableEvents,
  ) {
    this.#realm = realm;
    this.#segment = segment;
    this.#events = events;
    this.#slots = shape.slots;
    this.#history = history;
    this.#entries = new Array(shape.slots);
    this.producer = new BroadcastProducer(
      segment,
      shape.data,
      shape.capacity,
      (slot, reason) => this.#cut(slot, reason),
    );
  }

  /** How many subscribers there are. */
  get size(): number {
    return this.#active.length;
  }

  /** Have all that were invited come? */
  get isAttached(): boolean {
    return this.#active.every(({ slot }) =>
      this.#segment.u32(slot + SubscriberSlot.attached) !== 0
    );
  }

  /**
   * Gives a slot to a subscriber that was there before us: it misses nothing, though it
   * maps the ring later. False if there is none left.
   */
  invite(participant: Participant, policy: LagPolicy): boolean {
    const free = this.#entries.findIndex((entry) => entry === undefined);
    if (free < 0) return false;
    const peer = this.#realm.acquirePeer(participant.node);
    if (peer === undefined) return true; // it is dead
    const slot = slotAt(free);
    const segment = this.#segment;
    writeNodeId(segment.bytes, slot + SubscriberSlot.node, participant.node);
    segment.setU32(slot + SubscriberSlot.source, participant.source);
    segment.setU32(slot + SubscriberSlot.count, participant.count);
    segment.setU32(slot + SubscriberSlot.policy, policy);
    this.#open(free, participant, peer, policy, 0);
    segment.setU32(slot + SubscriberSlot.state, SlotState.open);
    return true;
  }

  /** Looks at all slots: who came, who left? */
  look(): void {
    for (let index = 0; index < this.#slots; index++) {
      const state = this.#stateOf(index);
      const entry = this.#entries[index];
      if (entry !== undefined && (state === SlotState.free || state === SlotState.joining)) {
        this.#remove(entry, this.#whyFree(entry.slot));
      }
      if (state === SlotState.joining) this.#admit(index);
    }
  }

  /** Rings all that wait for a message. */
  wake(): void {
    const { words } = this.#segment;
    for (const { slot, participant, peer } of this.#active) {
      const at = (slot + SubscriberSlot.waiting) >> 2;
      if (Atomics.load(words, at) === 0) continue;
      Atomics.store(words, at, 0);
      this.#realm.reactor.ring(peer.segment, participant.source);
    }
  }

  /** Rings everybody. */
  ringAll(): void {
    for (const entry of this.#active) this.#ring(entry);
  }

  /** Is one of those who held back the last record in this very thread? */
  get isHeldByOurselves(): boolean {
    let ours = false;
    this.producer.eachBlocking((slot) => {
      ours ||= this.#entries[indexOf(slot)]?.participant.node === this.#realm.id;
    });
    return ours;
  }

  /** Gives the peers back. */
  close(): void {
    for (const entry of this.#entries) if (entry !== undefined) this.#forget(entry);
    this.#active = [];
  }

  #stateOf(index: number): number {
    return this.#segment.u32(slotAt(index) + SubscriberSlot.state);
  }

  /** Why a subscriber gave its slot back. */
  #whyFree(slot: number): TopicGoneReason {
    const { words } = this.#segment;
    const attached = Atomics.load(words, (slot + SubscriberSlot.attached) >> 2);
    return attached === Attached.lagged ? "lagged" : "closed";
  }

  #ring({ peer, participant }: Entry): void {
    this.#realm.reactor.ring(peer.segment, participant.source);
  }

  #admit(index: number): void {
    const slot = slotAt(index);
    const segment = this.#segment;
    const participant: Participant = {
      node: readNodeId(segment.bytes, slot + SubscriberSlot.node),
      source: segment.u32(slot + SubscriberSlot.source),
      count: segment.u32(slot + SubscriberSlot.count),
    };
    let peer: Peer | undefined;
    try {
      peer = this.#realm.acquirePeer(participant.node);
    } catch (error) {
      this.#events.failed(error);
    }
    if (peer === undefined) {
      segment.setU32(slot + SubscriberSlot.state, SlotState.free);
      return;
    }
    const policy = policyOf(segment.u32(slot + SubscriberSlot.policy));
    const history = Math.min(this.#history, segment.u32(slot + SubscriberSlot.history));
    const entry = this.#open(index, participant, peer, policy, history);
    // It may have left in the meantime.
    const { words } = segment;
    const at = (slot + SubscriberSlot.state) >> 2;
    const before = Atomics.compareExchange(words, at, SlotState.joining, SlotState.open);
    if (before === SlotState.joining) this.#ring(entry);
    else this.#remove(entry, "closed");
  }

  #open(
    index: number,
    participant: Participant,
    peer: Peer,
    policy: LagPolicy,
    history: number,
  ): Entry {
    const slot = slotAt(index);
    const entry: Entry = {
      id: idOf(participant),
      slot,
      participant,
      peer,
      onDeath: () => this.#onDeath(entry),
      isCut: false,
    };
    peer.onDeath.add(entry.onDeath);
    this.#entries[index] = entry;
    this.#active.push(entry);
    this.producer.add(slot, policy, history);
    this.#events.joined(entry.id);
    return entry;
  }

  #onDeath(entry: Entry): void {
    // It may have closed before it ended; then the slot may even be another's by now.
    const { words } = this.#segment;
    const at = (entry.slot + SubscriberSlot.state) >> 2;
    const own = entry.isCut ? SlotState.cut : SlotState.open;
    const before = Atomics.compareExchange(words, at, own, SlotState.free);
    this.#remove(entry, before === own ? "died" : this.#whyFree(entry.slot));
    if (before !== own) this.look();
  }

  #cut(slot: number, reason: CutReason): void {
    const entry = this.#entries[indexOf(slot)];
    if (entry === undefined || entry.isCut) return;
    entry.isCut = true;
    this.#active = this.#active.filter((other) => other !== entry);
    const at = (slot + SubscriberSlot.state) >> 2;
    Atomics.compareExchange(this.#segment.words, at, SlotState.open, SlotState.cut);
    this.#ring(entry);
    this.#events.left(entry.id, reason);
    if (reason === "corrupt") {
      this.#events.failed(
        new CorruptSegmentError(`subscriber ${entry.id} wrote a position that can't be`),
      );
    }
  }

  #remove(entry: Entry, reason: TopicGoneReason): void {
    this.#forget(entry);
    this.#entries[indexOf(entry.slot)] = undefined;
    if (entry.isCut) return;
    this.#active = this.#active.filter((other) => other !== entry);
    this.producer.remove(entry.slot);
    this.#events.left(entry.id, reason);
  }

  #forget({ peer, onDeath }: Entry): void {
    peer.onDeath.delete(onDeath);
    this.#realm.releasePeer(peer);
  }
}

/** Offset of a slot. */
export function slotAt(index: number): number {
  return PublisherLayout.table + index * SubscriberSlot.bytes;
}

function indexOf(slot: number): number {
  return (slot - PublisherLayout.table) / SubscriberSlot.bytes;
}
