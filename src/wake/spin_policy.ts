/**
 * How long to poll for something before sleeping: worth it if it comes while one
 * polls, a waste if it doesn't, harmful where the peer waits for this very
 * processor. What happened last time decides.
 *
 * @module
 */

/** After so many waits without polling, one polls again to see whether it is worth it. */
const PROBE_EVERY = 16;

/** See the module. */
export class SpinPolicy {
  readonly #most: number;
  #failures = 0;

  /** `most`: the longest time to poll, in ms. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Milliseconds to poll for in this wait. */
  get time(): number {
    return this.#failures < 2 || this.#failures % PROBE_EVERY === 0 ? this.#most : 0;
  }

  /** It came while polling. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** It didn't: now one sleeps. */
  failed(): void {
    this.#failures++;
  }
}
