/**
 * How long a publisher lets subscribers hold it back.
 *
 * Only what blocks is measured: the time from when a message finds no room until one does. So a
 * subscriber that is slow, but reads on, isn't touched.
 *
 * @module
 */
import type { LagAction, SubscriberTable } from "./subscriber_table.ts";
import { readClock } from "../timers.ts";

/** How often to look whether a subscriber that was invited can come, in ms. */
const LOOK_EVERY = 50;

/** See the module. */
export class LagLimit {
  readonly #table: SubscriberTable;
  readonly #milliseconds: number;
  readonly #action: LagAction;
  /** When a message first found no room; 0: there is room. */
  #since = 0;

  constructor(table: SubscriberTable, milliseconds: number, action: LagAction) {
    this.#table = table;
    this.#milliseconds = milliseconds;
    this.#action = action;
  }

  /** There was no room. Lets go of subscribers that exceed the limit; true if there may be room now. */
  exceeded(): boolean {
    if (!this.isWatching) return false;
    const isOver = this.#rest() <= 0;
    return this.#table.letGo(isOver ? this.#action : undefined);
  }

  /** There was room. */
  clear(): void {
    this.#since = 0;
  }

  /** May it let go of subscribers at some time? */
  get isWatching(): boolean {
    return this.#milliseconds !== Infinity || this.#table.hasAbsent;
  }

  /** Milliseconds after which {@linkcode LagLimit.exceeded} may be true; at least 1. */
  get nextLook(): number {
    const rest = this.#rest();
    return Math.max(1, this.#table.hasAbsent ? Math.min(rest, LOOK_EVERY) : rest);
  }

  #rest(): number {
    const now = readClock();
    if (this.#since === 0) this.#since = now;
    return this.#since + this.#milliseconds - now;
  }
}
