/**
 * The dead-letter queue of a queue: another queue, which gets the messages that couldn't be
 * processed.
 *
 * A message is put there first, and is done here then. A process that dies in between leaves it in
 * both; it is never in neither. While the dead-letter queue is full this side keeps the message, and
 * tries again; if this side ends before, the message is given back.
 *
 * @module
 */
import type { QueueCore } from "./core.ts";
import type { Taken } from "./reader.ts";

/** A dead-letter queue that was full is looked at again after so many ms. */
const RETRY = 200;

interface DeadLetter {
  readonly taken: Taken;
  readonly payload: Uint8Array;
}

/** See the module. */
export class DeadLetters {
  readonly #source: QueueCore;
  readonly #target: QueueCore;
  readonly #report: (error: unknown) => void;
  readonly #waiting: DeadLetter[] = [];
  #hasReported = false;

  /** From `source` to `target`; `report` is told once why that isn't possible. */
  constructor(source: QueueCore, target: QueueCore, report: (error: unknown) => void) {
    this.#source = source;
    this.#target = target;
    this.#report = report;
  }

  /** Moves a message that is taken here, as soon as possible. */
  move(taken: Taken, payload: Uint8Array): void {
    const letter = { taken, payload };
    if (this.#waiting.length === 0 && this.#tryMove(letter)) return;
    this.#source.keep(taken);
    this.#waiting.push(letter);
    if (this.#waiting.length === 1) this.#tryLater();
  }

  #tryMove({ taken, payload }: DeadLetter): boolean {
    try {
      if (!this.#target.put(payload)) return false;
    } catch (error) {
      // It was closed, or is corrupt. The message stays with us.
      if (!this.#hasReported) this.#report(error);
      this.#hasReported = true;
      return false;
    }
    this.#source.counts.deadLettered++;
    this.#source.finish(taken);
    return true;
  }

  #tryLater(): void {
    this.#source.startTimer(() => {
      while (this.#waiting.length > 0 && this.#tryMove(this.#waiting[0]!)) this.#waiting.shift();
      if (this.#waiting.length > 0) this.#tryLater();
    }, RETRY);
  }
}
