/**
 * The table of a membership's members: which nodes share a segment, and how to ring them.
 *
 * Slots are taken and freed under the lock of the membership's folder. A slot is freed
 * by its member, or by another one after that member's death.
 *
 * @module
 */
import { CorruptSegmentError, LimitError } from "../errors.ts";
import { MAX_MEMBERS, Member, MembershipLayout } from "../memory/layout.ts";
import { readNodeId, writeNodeId } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import type { Peer, Realm } from "../wake/realm.ts";

const USED = MembershipLayout.used >> 2;
const JOINED = 1;

/** A member's node as we know it. */
interface Known {
  /** The two words of its id. */
  readonly low: number;
  readonly high: number;
  /** `undefined`: it is dead, or its file was removed. */
  readonly peer: Peer | undefined;
}

/** A slot whose member is dead. */
export interface DeadMember {
  readonly member: number;
  /** The two words of its node's id: the slot may be another's meanwhile. */
  readonly low: number;
  readonly high: number;
  /** The same as text. */
  readonly id: string;
}

/** See the module. */
export class MemberTable {
  readonly #realm: Realm;
  readonly #segment: Segment;
  readonly #words: Int32Array;
  readonly #known: (Known | undefined)[] = [];

  constructor(realm: Realm, segment: Segment) {
    this.#realm = realm;
    this.#segment = segment;
    this.#words = segment.words;
  }

  /** Slots that may be taken: indices below it. */
  get used(): number {
    const used = Atomics.load(this.#words, USED) >>> 0;
    if (used <= MAX_MEMBERS) return used;
    throw new CorruptSegmentError(`${this.#segment.path} says it has ${used} members`);
  }

  /** Index of a member's word; `offset` as in {@linkcode Member}. */
  word(member: number, offset: number): number {
    return (MembershipLayout.slots + member * Member.bytes + offset) >> 2;
  }

  /** Is the slot taken? */
  isJoined(member: number): boolean {
    return Atomics.load(this.#words, this.word(member, Member.state)) === JOINED;
  }

  /** Takes a slot. The caller holds the folder's lock. */
  join(source: number): number {
    const used = this.used;
    let member = 0;
    while (member < used && this.isJoined(member)) member++;
    if (member === MAX_MEMBERS) {
      throw new LimitError(
        `${this.#segment.path} has ${MAX_MEMBERS} members, the most there can be: ` +
          "close one, or share it within a process",
      );
    }
    const at = this.word(member, 0);
    for (let i = 1; i < Member.bytes >> 2; i++) Atomics.store(this.#words, at + i, 0);
    Atomics.store(this.#words, at + (Member.source >> 2), source);
    writeNodeId(this.#segment.bytes, (at << 2) + Member.node, this.#realm.id);
    // ORDER: the state last: it makes the rest valid.
    Atomics.store(this.#words, at, JOINED);
    if (member === used) Atomics.store(this.#words, USED, used + 1);
    return member;
  }

  /** Frees a slot. The caller holds the folder's lock. */
  leave(member: number): void {
    Atomics.store(this.#words, this.word(member, Member.state), 0);
    this.#forget(member);
  }

  /** Asks to be rung; look again after it. */
  setWaiting(member: number): void {
    Atomics.store(this.#words, this.word(member, Member.waiting), 1);
  }

  /** Takes the flag; true if it was set: then the caller rings the member, or is the member. */
  takeWaiting(member: number): boolean {
    const at = this.word(member, Member.waiting);
    return Atomics.load(this.#words, at) !== 0 && Atomics.exchange(this.#words, at, 0) !== 0;
  }

  /** Rings a member, whether it waits or not. */
  ring(member: number): void {
    const { peer } = this.#know(member);
    if (peer === undefined) return;
    const source = Atomics.load(this.#words, this.word(member, Member.source));
    this.#realm.reactor.ring(peer.segment, source);
  }

  /** Rings one that waits, from slot `start` on; false if none does. */
  ringOne(start = 0): boolean {
    const used = this.used;
    for (let i = 0; i < used; i++) {
      const member = (start + i) % used;
      if (!this.isJoined(member) || !this.takeWaiting(member)) continue;
      this.ring(member);
      return true;
    }
    return false;
  }

  /** Rings all that wait. */
  ringWaiting(): void {
    const used = this.used;
    for (let member = 0; member < used; member++) {
      if (this.isJoined(member) && this.takeWaiting(member)) this.ring(member);
    }
  }

  /** Rings all. */
  ringAll(): void {
    const used = this.used;
    for (let member = 0; member < used; member++) if (this.isJoined(member)) this.ring(member);
  }

  /** Those that are proved dead. Not under the folder's lock: it may remove what they left. */
  dead(): DeadMember[] {
    const dead: DeadMember[] = [];
    const used = this.used;
    for (let member = 0; member < used; member++) {
      if (!this.isJoined(member)) continue;
      const { low, high, peer } = this.#know(member);
      const id = readNodeId(this.#segment.bytes, this.word(member, Member.node) << 2);
      if (this.#isDead(id, peer)) dead.push({ member, low, high, id });
    }
    return dead;
  }

  /** A node that can't be opened may be alive: its file may have been removed under it. */
  #isDead(id: string, peer: Peer | undefined): boolean {
    if (peer === undefined) return this.#realm.isDead(id);
    return peer.id !== this.#realm.id && !peer.segment.isLeaseHeld();
  }

  /** Is the slot still that one's? */
  isSame({ member, low, high }: DeadMember): boolean {
    const at = this.word(member, Member.node);
    return this.isJoined(member) && this.#words[at] === low && this.#words[at + 1] === high;
  }

  #know(member: number): Known {
    const at = this.word(member, Member.node);
    const low = this.#words[at]!;
    const high = this.#words[at + 1]!;
    const known = this.#known[member];
    if (known?.low === low && known.high === high) return known;
    this.#forget(member);
    const peer = this.#realm.acquirePeer(readNodeId(this.#segment.bytes, at << 2));
    return this.#known[member] = { low, high, peer };
  }

  #forget(member: number): void {
    const peer = this.#known[member]?.peer;
    this.#known[member] = undefined;
    if (peer !== undefined) this.#realm.releasePeer(peer);
  }

  /** Gives up what it knows of others. */
  close(): void {
    for (let member = 0; member < this.#known.length; member++) this.#forget(member);
  }
}
