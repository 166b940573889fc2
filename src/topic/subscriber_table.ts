/**
 * The subscribers of a publisher: its end of the table of slots.
 *
 * Subscribers take slots and give them back; the publisher opens them, because it
 * alone knows where its ring begins and ends. It finds out about both when it next
 * publishes, or in a turn of its reactor. It frees the slot of a subscriber that is
 * proved dead.
 *
 * A subscriber that was invited is *absent* until it has mapped the ring. Only its
 * registration, which the publisher keeps mapped until then, says whether it was closed
 * meanwhile, or lacks what it needs to come.
 *
 * @module
 */
import { CausewayError, CorruptSegmentError, isShortage } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import {
  Attached,
  PublisherLayout,
  SlotState,
  SubscriberLayout,
  SubscriberSlot,
  SubscriberState,
} from "../memory/layout.ts";
import type { LagPolicy } from "../memory/layout.ts";
import { readNodeId, writeNodeId } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import type { CutReason } from "../ring/broadcast_producer.ts";
import { BroadcastProducer } from "../ring/broadcast_producer.ts";
import type { Handle } from "../wake/handle.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { idOf, policyOf } from "./folder.ts";
import type { Participant, PublisherShape } from "./folder.ts";

/**
 * Why a peer of a topic is gone: `"lagged"`, because its `onLag` or the publisher's `maxLag` asks
 * for that.
 */
export type TopicGoneReason = GoneReason | "lagged";

/** What the table tells its publisher, in the middle of a call: nothing of the user's may run then. */
export interface SubscriberTableEvents {
  joined(id: string): void;
  left(id: string, reason: TopicGoneReason): void;
  failed(error: unknown): void;
  /** A subscriber can't be let in now, for want of something: look again later. */
  postponed(): void;
}

/** What happens to subscribers that hold the publisher back for too long. */
export type LagAction = "disconnect" | "drop-oldest";

/** A subscriber that has a slot. */
interface Entry {
  readonly id: string;
  readonly slot: number;
  readonly participant: Participant;
  readonly peer: Peer;
  /** Asks no longer to be told of its death. */
  forgetDeath: () => void;
  /** While it is absent. */
  registration: Segment | undefined;
  /** It was cut off, and hasn't given its slot back yet. */
  isCut: boolean;
}

/** See the module. */
export class SubscriberTable {
  readonly producer: BroadcastProducer;
  readonly #handle: Handle;
  readonly #realm: Realm;
  readonly #segment: Segment;
  readonly #events: SubscriberTableEvents;
  readonly #slots: number;
  readonly #history: number;
  /** By the index of the slot. */
  readonly #entries: (Entry | undefined)[];
  /** Those that read. */
  #active: Entry[] = [];
  /** How many are absent. */
  #absent = 0;

  /** `history`: the most messages that a late joiner gets. */
  constructor(
    handle: Handle,
    segment: Segment,
    shape: PublisherShape,
    history: number,
    events: SubscriberTableEvents,
  ) {
    this.#handle = handle;
    this.#realm = handle.realm;
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

  /** Are there subscribers that were invited and haven't come yet? */
  get hasAbsent(): boolean {
    return this.#absent > 0;
  }

  /**
   * Gives a slot to a subscriber that was there before the publisher: it misses nothing, though
   * it maps the ring later. The table keeps its registration if it has a slot.
   */
  invite(participant: Participant, registration: Segment): "invited" | "refused" | "dead" {
    const free = this.#entries.findIndex((entry) => entry === undefined);
    if (free < 0) return "refused";
    const peer = this.#realm.acquirePeer(participant.node);
    if (peer === undefined) return "dead";
    const slot = slotAt(free);
    const segment = this.#segment;
    const policy = policyOf(registration.u32(SubscriberLayout.policy));
    writeNodeId(segment.bytes, slot + SubscriberSlot.node, participant.node);
    segment.setU32(slot + SubscriberSlot.source, participant.source);
    segment.setU32(slot + SubscriberSlot.count, participant.count);
    segment.setU32(slot + SubscriberSlot.policy, policy);
    const entry = this.#open(free, participant, peer, policy, 0);
    entry.registration = registration;
    this.#absent++;
    segment.setU32(slot + SubscriberSlot.state, SlotState.open);
    return "invited";
  }

  /** Looks at all slots: which subscribers came, which left? */
  look(): void {
    for (let index = 0; index < this.#slots; index++) {
      const state = this.#stateOf(index);
      const entry = this.#entries[index];
      if (entry !== undefined && (state === SlotState.free || state === SlotState.joining)) {
        this.#remove(entry, this.#whyFree(entry.slot));
      }
      if (state === SlotState.joining) this.#admit(index);
    }
    this.#lookForAbsent();
  }

  /** Those that came are absent no longer, those that were closed need their slots no longer. */
  #lookForAbsent(): void {
    if (this.#absent === 0) return;
    for (const entry of this.#entries) {
      if (entry?.registration === undefined) continue;
      if (this.#hasCome(entry)) this.#endAbsence(entry);
      else if (isClosed(entry.registration)) {
        this.#segment.setU32(entry.slot + SubscriberSlot.state, SlotState.free);
        this.#remove(entry, "closed");
      }
    }
  }

  #hasCome({ slot }: Entry): boolean {
    const { words } = this.#segment;
    return Atomics.load(words, (slot + SubscriberSlot.attached) >> 2) !== Attached.no;
  }

  #endAbsence(entry: Entry): void {
    if (entry.registration === undefined) return;
    entry.registration.close();
    entry.registration = undefined;
    this.#absent--;
  }

  /**
   * There was no room. Waits no longer for subscribers that can't come for want of something,
   * and with an `action` for none of those that held the publisher back. True if there may be
   * room now.
   */
  letGo(action: LagAction | undefined): boolean {
    this.#lookForAbsent();
    let changed = false;
    for (const slot of this.producer.blocking()) {
      const entry = this.#entries[indexOf(slot)];
      if (entry === undefined) continue;
      if (action === "disconnect") this.producer.disconnect(slot);
      else if (action === "drop-oldest") this.producer.overtake(slot);
      else if (!this.#isShort(entry) || !this.#overtakeAbsent(entry)) continue;
      changed = true;
    }
    return changed;
  }

  #isShort({ registration }: Entry): boolean {
    return registration !== undefined && registration.u32(SubscriberLayout.shortage) !== 0;
  }

  /** False if it has come in this very moment. */
  #overtakeAbsent(entry: Entry): boolean {
    // ORDER: counted as overtaken, then looked at. A subscriber that comes says so, then looks at
    // the count: so either we see that it came, or it sees that it may be overtaken.
    Atomics.add(this.#segment.words, (entry.slot + SubscriberSlot.lag) >> 2, 1);
    if (this.#hasCome(entry)) return false;
    this.producer.overtake(entry.slot);
    return true;
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

  /** Rings all subscribers. */
  ringAll(): void {
    for (const entry of this.#active) this.#ring(entry);
  }

  /** Did a subscriber of this very thread hold back the last record? */
  get isHeldByOurselves(): boolean {
    return this.producer.blocking().some((slot) =>
      this.#entries[indexOf(slot)]?.participant.node === this.#realm.id
    );
  }

  /** Gives the peers back. */
  close(): void {
    for (const entry of this.#entries) if (entry !== undefined) this.#forget(entry);
    this.#entries.fill(undefined);
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
      if (!(error instanceof CausewayError)) throw error;
      if (isShortage(error)) return this.#events.postponed();
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
      forgetDeath: () => {},
      registration: undefined,
      isCut: false,
    };
    entry.forgetDeath = this.#handle.onPeerDeath(peer, () => this.#onDeath(entry));
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
    this.#endAbsence(entry);
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

  #forget(entry: Entry): void {
    this.#endAbsence(entry);
    entry.forgetDeath();
    this.#realm.releasePeer(entry.peer);
  }
}

function isClosed(registration: Segment): boolean {
  return registration.u32(SubscriberLayout.state) === SubscriberState.closed;
}

/** Offset of a slot. */
export function slotAt(index: number): number {
  return PublisherLayout.table + index * SubscriberSlot.bytes;
}

function indexOf(slot: number): number {
  return (slot - PublisherLayout.table) / SubscriberSlot.bytes;
}
