/**
 * Tries again later what isn't possible now, each time after a longer while, and once at a time:
 * however many reasons there are to try, they start one timer.
 *
 * @module
 */

/** The first and the longest time between two tries, in ms. */
const FIRST = 20;
const LONGEST = 1000;

/** A handle, so that no try comes after its end. */
interface Timers {
  startTimer(task: () => void, milliseconds: number): unknown;
}

/** See the module. */
export class Retry {
  readonly #timers: Timers;
  readonly #task: () => void;
  readonly #longest: number;
  #delay = FIRST;
  #isWaiting = false;

  /** `longest`: milliseconds between two tries at most. */
  constructor(timers: Timers, task: () => void, longest: number = LONGEST) {
    this.#timers = timers;
    this.#task = task;
    this.#longest = longest;
  }

  /** Is it the first of the tries in vain? */
  get isFirst(): boolean {
    return this.#delay === FIRST;
  }

  /** Calls the task later, unless it will be called anyway. */
  later(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#timers.startTimer(() => {
      this.#isWaiting = false;
      this.#task();
    }, this.#delay);
    this.#delay = Math.min(2 * this.#delay, this.#longest);
  }

  /** It was possible: the next time begins with a short while. */
  succeeded(): void {
    this.#delay = FIRST;
  }
}
