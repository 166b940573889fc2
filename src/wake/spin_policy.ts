/**
 * Adaptive spinning: how long a wait polls before it sleeps. Polling is worth it if
 * what it waits for comes meanwhile, a waste if not, and harmful if the peer needs
 * this very processor. The last waits decide.
 *
 * @module
 */

/** One in so many waits polls again, to see whether it is worth it. */
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

  /** What it waited for came while it polled. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** It didn't come: now the wait sleeps. */
  failed(): void {
    this.#failures++;
  }
}
