/**
 * Members of a queue that sleep until there is something: a bit for each, so that one look
 * says whether there are any. A member that takes a bit away rings the bit's member, or is
 * that member; a bit is taken once.
 *
 * @module
 */
import type { MemberTable } from "../membership/member_table.ts";

/** See the module. */
export class WaiterBitmap {
  readonly #members: MemberTable;
  readonly #words: Int32Array;
  readonly #first: number;
  /** From which word on to look next: others get their turn. */
  #turn = 0;

  /** `offset`: where the bits are in the segment. */
  constructor(members: MemberTable, words: Int32Array, offset: number) {
    this.#members = members;
    this.#words = words;
    this.#first = offset >> 2;
  }

  /** Asks to be rung; look again after it. */
  add(member: number): void {
    Atomics.or(this.#words, this.#first + (member >> 5), 1 << (member & 31));
  }

  /** Takes the bit of a member; false if another member did, or it was never set. */
  take(member: number): boolean {
    const bit = 1 << (member & 31);
    const at = this.#first + (member >> 5);
    return (Atomics.load(this.#words, at) & bit) !== 0 &&
      (Atomics.and(this.#words, at, ~bit) & bit) !== 0;
  }

  /** Does a member sleep? */
  any(): boolean {
    const words = (this.#members.used + 31) >> 5;
    for (let i = 0; i < words; i++) {
      if (Atomics.load(this.#words, this.#first + i) !== 0) return true;
    }
    return false;
  }

  /** Rings one member that sleeps; false if there is none. */
  ringOne(): boolean {
    const { used } = this.#members;
    for (let i = 0; i < used; i++) {
      const member = (this.#turn + i) % used;
      if (!this.take(member)) continue;
      this.#turn = member + 1;
      try {
        this.#members.ring(member);
      } catch (error) {
        this.add(member); // it is still asleep
        throw error;
      }
      return true;
    }
    return false;
  }

  /** Rings as many as that. */
  ring(most: number): void {
    while (most-- > 0 && this.ringOne());
  }

  /** Rings all. */
  ringAll(): void {
    this.ring(this.#members.used);
  }
}
