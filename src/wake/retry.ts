/**
 * Tries again later what isn't possible now, each time after a longer while, and once at a time:
 * however many reasons there are to try, they start one timer.
 *
 * @module
 */

/** The first and the longest time between two tries, in ms. */
const FIRST = 20;
const LONGEST = 1000;

/** See the module. */
export class Retry {
  readonly #startTimer: (task: () => void, milliseconds: number) => unknown;
  readonly #task: () => void;
  #delay = FIRST;
  #isWaiting = false;

  /** `startTimer` is that of a handle, so that no try comes after its end. */
  constructor(
    startTimer: (task: () => void, milliseconds: number) => unknown,
    task: () => void,
  ) {
    this.#startTimer = startTimer;
    this.#task = task;
  }

  /** Is it the first of the tries in vain? */
  get isFirst(): boolean {
    return this.#delay === FIRST;
  }

  /** Calls the task later, unless it will be called anyway. */
  later(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#startTimer(() => {
      this.#isWaiting = false;
      this.#task();
    }, this.#delay);
    this.#delay = Math.min(2 * this.#delay, LONGEST);
  }

  /** It was possible: the next time begins with a short while. */
  succeeded(): void {
    this.#delay = FIRST;
  }
}
