/**
 * The subscriptions of a subscriber, one for each publisher: how they come, how they go, and
 * whose message is next.
 *
 * @module
 */
import { CausewayError, CorruptSegmentError, isShortage } from "../errors.ts";
import { SubscriberLayout } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import type { Handle } from "../wake/handle.ts";
import { fileOf, idOf, participantsIn, PUBLISHER } from "./folder.ts";
import { invitationsIn } from "./invitations.ts";
import type { Invitation } from "./invitations.ts";
import { Subscription } from "./subscription.ts";
import { Retry } from "../wake/retry.ts";
import type { SubscriberIdentity } from "./subscription.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";

/** What happens to subscriptions. Each may close the subscriber. */
export interface SubscriptionEvents {
  connected(publisher: string): void;
  /** `wasOpen`: it was told of as connected before. */
  gone(publisher: string, reason: TopicGoneReason, wasOpen: boolean): void;
  /** So many publishers came and ended while this thread didn't run, and can't be heard any more. */
  missed(publishers: number): void;
  /** A publisher did something wrong, or can't be used. */
  failed(error: unknown): void;
}

/** See the module. */
export class Subscriptions {
  readonly #handle: Handle;
  readonly #path: string;
  readonly #identity: SubscriberIdentity;
  readonly #registration: Segment;
  readonly #events: SubscriptionEvents;
  readonly #list: Subscription[] = [];
  #current = 0;
  /** Announcements that we have seen. */
  #announcements = 0;
  #missed = 0;
  readonly #retry: Retry;
  /** Publishers that couldn't be opened are to be tried again now. */
  #triesAgain = false;

  /** `path`: the folder of the topic. */
  constructor(
    handle: Handle,
    path: string,
    identity: SubscriberIdentity,
    registration: Segment,
    events: SubscriptionEvents,
  ) {
    this.#handle = handle;
    this.#path = path;
    this.#identity = identity;
    this.#registration = registration;
    this.#events = events;
    this.#retry = new Retry(
      handle,
      () => {
        this.#triesAgain = true;
        handle.heat();
      },
    );
  }

  /** How many publishers there are. */
  get open(): number {
    let count = 0;
    for (const subscription of this.#list) if (subscription.isOpen) count++;
    return count;
  }

  /** Is there a publisher, or one that has a place for us? */
  get isInUse(): boolean {
    return this.#list.length > 0;
  }

  /**
   * Subscribes to all publishers that are there. The caller holds the lock of the folder.
   *
   * @throws {CodecMismatchError} One of them uses another codec.
   * @throws {ConnectionLimitError} One of them has no free slot.
   */
  joinAll(): void {
    for (const publisher of participantsIn(this.#handle.realm, this.#path, PUBLISHER)) {
      const file = `${this.#path}/${fileOf(PUBLISHER, publisher)}`;
      try {
        this.#add(Subscription.join(this.#handle, file, publisher, this.#identity));
      } catch (error) {
        if (!(error instanceof CorruptSegmentError)) throw error;
        this.#events.failed(error);
      }
    }
  }

  /** Tells the publishers that we are there. */
  greet(): void {
    for (const subscription of this.#list) subscription.tellOfSlot();
  }

  #add(subscription: Subscription | undefined): void {
    if (subscription !== undefined) this.#list.push(subscription);
  }

  // -------------------------------------------------------------- coming

  /** Connects to publishers that announced themselves, or that have let us in. */
  admit(): boolean {
    const announcements = this.#announced;
    let changed = announcements !== this.#announcements || this.#triesAgain;
    if (changed) {
      this.#announcements = announcements;
      this.acceptInvitations();
      this.#tellMissed();
      if (this.#handle.isClosed) return true;
    }
    for (const subscription of [...this.#list]) {
      if (subscription.isOpen || !this.#tryOpen(subscription)) continue;
      changed = true;
      this.#events.connected(subscription.id);
      if (this.#handle.isClosed) return true;
    }
    return changed;
  }

  #tellMissed(): void {
    const missed = this.#registration.u32(SubscriberLayout.missed);
    const more = (missed - this.#missed) >>> 0;
    this.#missed = missed;
    if (more > 0) this.#events.missed(more);
  }

  get #announced(): number {
    return this.#registration.u32(SubscriberLayout.announcements);
  }

  #tryOpen(subscription: Subscription): boolean {
    try {
      return subscription.open();
    } catch (error) {
      this.corrupt(subscription, error);
      return false;
    }
  }

  /** Accepts what publishers left for us. What can't be opened now is tried again. */
  acceptInvitations(): void {
    let shortage: unknown;
    try {
      const { directory } = this.#handle.realm;
      for (const invitation of invitationsIn(directory, this.#path, this.#identity.participant)) {
        shortage = this.#accept(invitation) ?? shortage;
      }
    } catch (error) {
      if (!isShortage(error)) throw error;
      shortage = error;
    }
    if (shortage === undefined) this.#endRetries();
    else this.#tryAgainLater(shortage);
  }

  /** The shortage for which it has to be tried again, if there is one. */
  #accept({ path, publisher }: Invitation): unknown {
    const id = idOf(publisher);
    try {
      // It is there already if its invitation couldn't be removed.
      if (!this.#list.some((subscription) => subscription.id === id)) {
        this.#add(Subscription.accept(this.#handle, path, publisher, this.#identity));
      }
    } catch (error) {
      if (isShortage(error)) return error;
      if (!(error instanceof CausewayError)) throw error;
      this.#events.failed(error);
    }
    this.#handle.realm.directory.removeFile(path);
    return undefined;
  }

  #tryAgainLater(shortage: unknown): void {
    // Publishers don't wait for us as long as this is set.
    this.#registration.setU32(SubscriberLayout.shortage, 1);
    if (this.#retry.isFirst) this.#events.failed(shortage);
    this.#triesAgain = false;
    this.#retry.later();
  }

  #endRetries(): void {
    this.#triesAgain = false;
    this.#retry.succeeded();
    this.#registration.setU32(SubscriberLayout.shortage, 0);
  }

  // --------------------------------------------------------------- going

  /** Reading failed. What is corrupt in shared memory ends the subscription; the rest is thrown. */
  corrupt(subscription: Subscription, error: unknown): void {
    if (!(error instanceof CorruptSegmentError)) throw error;
    subscription.end("corrupt");
    this.#events.failed(error);
  }

  /** Lets go of publishers that are gone and of which nothing is left. */
  settle(): boolean {
    let settled = false;
    for (let i = 0; i < this.#list.length; i++) {
      const subscription = this.#list[i]!;
      const reason = subscription.gone;
      if (reason === undefined) continue;
      this.#list.splice(i--, 1);
      settled = true;
      const wasOpen = subscription.isOpen;
      subscription.close();
      this.#events.gone(subscription.id, reason, wasOpen);
      if (this.#handle.isClosed) return true;
    }
    return settled;
  }

  /** Gives back all slots. */
  close(): void {
    const failures: unknown[] = [];
    for (const subscription of this.#list.splice(0)) {
      try {
        subscription.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  // ------------------------------------------------------------- messages

  /** Goes on to the next message of some publisher; `undefined` if there is none. */
  next(): Subscription | undefined {
    const list = this.#list;
    let current = this.#current < list.length ? list[this.#current]! : undefined;
    if (current?.consumer?.hasBatch && this.#hasNext(current)) return current;
    for (let tries = list.length; tries > 0; tries--) {
      if (++this.#current >= list.length) this.#current = 0;
      current = list[this.#current];
      if (current === undefined) return undefined;
      if (this.#hasNext(current)) return current;
      if (this.#handle.isClosed) return undefined;
    }
    return undefined;
  }

  #hasNext(subscription: Subscription): boolean {
    try {
      return subscription.next();
    } catch (error) {
      this.corrupt(subscription, error);
      return false;
    }
  }

  /** Asks all publishers to ring at their next message. */
  setWaiting(): void {
    for (const subscription of this.#list) subscription.arm();
  }

  /** The same; true if there is none yet. */
  arm(): boolean {
    let isQuiet = true;
    for (const subscription of this.#list) if (!subscription.arm()) isQuiet = false;
    return isQuiet;
  }

  /** Have all announcements been seen? */
  get isUpToDate(): boolean {
    return this.#announced === this.#announcements && !this.#triesAgain;
  }
}
