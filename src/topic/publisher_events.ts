/**
 * What a publisher tells its user: which subscribers came and left, and what failed.
 *
 * The table of subscribers notices that in the middle of a call, maybe while a message is
 * written, or before `open` has given the user the publisher. So it is told in a later turn of
 * the event loop.
 *
 * @module
 */
import type { Handle } from "../wake/handle.ts";
import type { PublisherOptions } from "./publisher_options.ts";
import type { SubscriberTableEvents, TopicGoneReason } from "./subscriber_table.ts";

/** How long to wait before looking again for subscribers that couldn't be let in, in ms. */
const LOOK_AGAIN = 100;

/** See the module. */
export class PublisherEvents implements SubscriberTableEvents {
  /** Called after subscribers came. */
  onJoined: () => void = () => {};
  /** Called after subscribers left. */
  onLeft: () => void = () => {};
  /** Called when it is time to look at the slots again. */
  onLookAgain: () => void = () => {};
  readonly #handle: Handle;
  readonly #options: PublisherOptions;
  #queue: (() => void)[] = [];
  #isPostponed = false;

  constructor(handle: Handle, options: PublisherOptions) {
    this.#handle = handle;
    this.#options = options;
  }

  joined(id: string): void {
    this.#later(() => this.#handle.event("onConnect", this.#options.onConnect, id));
    this.#later(() => this.onJoined());
  }

  left(id: string, reason: TopicGoneReason): void {
    this.#later(() => this.#handle.event("onDisconnect", this.#options.onDisconnect, id, reason));
    this.#later(() => this.onLeft());
    // It may have held others back.
    this.#handle.heat();
  }

  failed(error: unknown): void {
    this.#later(() => this.#handle.reportPeer(error));
  }

  postponed(): void {
    if (this.#isPostponed) return;
    this.#isPostponed = true;
    this.#handle.startTimer(() => {
      this.#isPostponed = false;
      this.onLookAgain();
    }, LOOK_AGAIN);
  }

  #later(task: () => void): void {
    this.#queue.push(task);
    if (this.#queue.length > 1) return;
    this.#handle.realm.binding.nextTurn(() => {
      for (const task of this.#queue.splice(0)) {
        if (!this.#handle.isClosed) this.#handle.guard(task);
      }
    });
  }
}
