/**
 * Gives the event loop its turns beside work that never has to wait.
 *
 * A call whose message, or room, is there at once settles in a microtask. A loop that awaits such
 * calls never leaves the microtasks while there is a backlog, so that no timer fires and no socket
 * is read meanwhile. Each such call therefore asks the yielder of its reactor, which says after
 * about a millisecond without a turn that the next call should settle in a turn of the event loop.
 *
 * Calls that wait in a {@linkcode WaitQueue} ask by themselves. A call that is done when it
 * returns (what it sent is in shared memory) returns {@linkcode Yielder.pause}:
 *
 *     if (trySend(value)) return reactor.yielder.pause();
 *
 * @module
 */

import { readClock } from "../timers.ts";

/** Milliseconds without a turn of the event loop after which one is due. */
const MOST_MS = 2;
/** Operations without a turn after which one is due, if the clock stands still (a faked one). */
const MOST_OPERATIONS = 8192;
/** The most operations between two looks at the clock. */
const LONGEST_STRIDE = 32;
/** Looks at the clock that are closer together than this, in ms, become rarer. */
const CLOSE_MS = 0.05;

const NOTHING: Promise<void> = Promise.resolve();

/** See the module. There is one for each reactor. */
export class Yielder {
  readonly #nextTurn: (task: () => void) => void;
  /** Operations until the next look at the clock, and between the last two looks. */
  #left = 0;
  #stride = 1;
  /** Operations since the last turn, at the last look. */
  #operations = 0;
  /** When the first look since the last turn was; -1: there was none. */
  #since = -1;
  #looked = 0;
  #isDue = false;
  #turn: Promise<void> | undefined;

  /** `nextTurn` runs a task in the next turn of the event loop. */
  constructor(nextTurn: (task: () => void) => void) {
    this.#nextTurn = nextTurn;
  }

  /** Counts an operation that doesn't wait; true if it should settle in a turn of the event loop. */
  isDue(): boolean {
    return --this.#left < 0 && this.#look();
  }

  #look(): boolean {
    if (this.#isDue) {
      this.#left = 0; // a blocking call can ask for hours
      return true;
    }
    const now = readClock();
    if (this.#since < 0) {
      this.#since = this.#looked = now;
    } else if (now - this.#looked < CLOSE_MS) {
      this.#stride = Math.min(2 * this.#stride, LONGEST_STRIDE);
    } else {
      // Each operation comes with much work of the user's.
      this.#stride = 1;
    }
    this.#looked = now;
    this.#left = this.#stride - 1;
    this.#operations += this.#stride;
    this.#isDue = now - this.#since >= MOST_MS || this.#operations >= MOST_OPERATIONS;
    return this.#isDue;
  }

  /** The same as a promise: settled already, or in the next turn of the event loop. */
  pause(): Promise<void> {
    return this.isDue() ? this.turn() : NOTHING;
  }

  /** Resolves in the next turn of the event loop. Keeps the process alive until then. */
  turn(): Promise<void> {
    return this.#turn ??= new Promise((resolve) => {
      this.#nextTurn(() => {
        this.#turn = undefined;
        this.turned();
        resolve();
      });
    });
  }

  /** The event loop has a turn now. Called by the reactor in each of its own. */
  turned(): void {
    this.#isDue = false;
    this.#since = -1;
    this.#operations = 0;
    this.#left = 0;
  }
}
