/**
 * The calls of a connection that wait for an answer, by correlation id.
 *
 * An id is the index of a slot. The slot of a call that was given up (timeout,
 * abort) stays taken until its answer comes, so that a late answer can never be
 * taken for that of a later call. Deadlines need no timer per call: one timer
 * serves the earliest.
 *
 * @module
 */
import { LimitError } from "../errors.ts";
import { MAX_CALLS } from "./limits.ts";

/** What becomes of a call: the answer, or why there is none. */
export interface Waiter {
  /** Milliseconds that the caller was ready to wait. */
  readonly timeout: number;
  /** Called if the peer never read the request: what it brings is this side's again. */
  readonly onUnread: (() => void) | undefined;
  /** `payload` undefined: the answer is that there is none. */
  resolve(payload: Uint8Array<ArrayBuffer> | undefined): void;
  reject(reason: unknown): void;
}

const State = { free: 0, waiting: 1, abandoned: 2 } as const;

/** See the module. */
export class CallTable {
  readonly #state: number[] = [];
  readonly #waiters: (Waiter | undefined)[] = [];
  readonly #deadlines: number[] = [];
  readonly #free: number[] = [];
  #waiting = 0;

  /** Calls that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Are all slots taken? Then a call has to wait for an answer to another. */
  get isFull(): boolean {
    return this.#free.length === 0 && this.#state.length >= MAX_CALLS;
  }

  /** Adds a call; `deadline` in milliseconds of `performance.now()`. */
  add(waiter: Waiter, deadline: number): number {
    const id = this.#free.pop() ?? this.#state.length;
    if (id >= MAX_CALLS) {
      throw new LimitError(
        `${MAX_CALLS} calls wait for an answer on this connection, the most there can be: ` +
          "await some before making more",
      );
    }
    this.#state[id] = State.waiting;
    this.#waiters[id] = waiter;
    this.#deadlines[id] = deadline;
    this.#waiting++;
    return id;
  }

  /**
   * An answer came for `id`: its waiter, or null when the call was given up, or
   * undefined when there is no such call, which no correct peer does.
   */
  answer(id: number): Waiter | null | undefined {
    const state = this.#state[id];
    if (state === undefined || state === State.free) return undefined;
    const waiter = this.#waiters[id];
    this.#state[id] = State.free;
    this.#waiters[id] = undefined;
    this.#free.push(id);
    if (state === State.abandoned) return null;
    this.#waiting--;
    return waiter;
  }

  /** Gives a call up: its waiter, if it still waited. */
  abandon(id: number): Waiter | undefined {
    if (this.#state[id] !== State.waiting) return undefined;
    const waiter = this.#waiters[id];
    this.#state[id] = State.abandoned;
    this.#waiters[id] = undefined;
    this.#waiting--;
    return waiter;
  }

  /** Ids of the calls whose deadline is not after `now`, and the earliest deadline of the others. */
  expired(now: number): { ids: number[]; next: number } {
    const ids: number[] = [];
    let next = Infinity;
    for (let id = 0; id < this.#state.length; id++) {
      if (this.#state[id] !== State.waiting) continue;
      const deadline = this.#deadlines[id]!;
      if (deadline <= now) ids.push(id);
      else if (deadline < next) next = deadline;
    }
    return { ids, next };
  }

  /** Takes all waiters out: the connection is gone. */
  drain(): Waiter[] {
    const waiters: Waiter[] = [];
    for (let id = 0; id < this.#state.length; id++) {
      if (this.#state[id] === State.waiting) waiters.push(this.#waiters[id]!);
    }
    this.#state.length = 0;
    this.#waiters.length = 0;
    this.#deadlines.length = 0;
    this.#free.length = 0;
    this.#waiting = 0;
    return waiters;
  }
}
