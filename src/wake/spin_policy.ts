/**
 * Adaptive spinning: how long a wait polls before it sleeps. Polling is worth it if what it waits
 * for comes meanwhile, a waste if not, and harmful if the peer needs this very processor.
 *
 * The last waits decide, and each says how it ended: while it polled, or by a wake, and then how
 * long it took in all. That tells three cases apart:
 *
 * - The peer is quick: poll.
 * - It took longer, several times in a row: the peer has work to do, or nothing to say. Sleep at
 *   once. Each wake measures anew, so the first short wait ends that; one long pause changes
 *   nothing.
 * - It came as soon as polling ended, several times in a row: the peer needed this processor. Sleep
 *   at once, and poll now and then to see whether that is still so, ever more rarely.
 *
 * @module
 */

/** Waits in a row that decide. One or two may be chance: garbage is collected, a timer fires. */
const ENOUGH = 3;
/** A wake takes up to so many ms by itself, where a processor has to come out of its sleep. */
const WAKE_MS = 0.3;
/** Waits between two that poll, while others need the processor: the fewest, and the most. */
const FEWEST_BETWEEN = 16;
const MOST_BETWEEN = 256;

/** See the module. */
export class SpinPolicy {
  readonly #most: number;
  /** Waits in a row that took longer than polling may. */
  #slow = 0;
  /** Waits in a row that ended as soon as polling did. */
  #starved = 0;
  /** Waits until one polls again. */
  #pause = 0;
  #between = FEWEST_BETWEEN;
  #polls = false;

  /** `most`: the longest time to poll, in ms. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Begins a wait: the milliseconds to poll for. */
  begin(): number {
    this.#polls = this.#starved < ENOUGH ? this.#slow < ENOUGH : --this.#pause <= 0;
    return this.#polls ? this.#most : 0;
  }

  /** What it waited for came while it polled. */
  found(): void {
    this.#slow = 0;
    this.#starved = 0;
    this.#between = FEWEST_BETWEEN;
  }

  /** It was woken, so many milliseconds after the wait began. */
  woke(waited: number): void {
    const isSlow = waited > this.#most + WAKE_MS;
    if (isSlow) this.#slow++;
    else this.#slow = 0;
    if (!this.#polls) return;
    if (!isSlow) this.#starved++;
    if (this.#starved < ENOUGH) return;
    this.#pause = this.#between;
    this.#between = Math.min(2 * this.#between, MOST_BETWEEN);
  }
}
