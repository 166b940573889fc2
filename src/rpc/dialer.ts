/**
 * How a client gets in: it publishes an invitation and announcements at the server's
 * door. See `listener.ts` for the other side.
 *
 * @module
 */
import { Invitation } from "../connection/handshake.ts";
import type { Offer } from "../connection/handshake.ts";
import { CausewayError, PeerGoneError } from "../errors.ts";
import { Kind, ServerLayout, SideState } from "../memory/layout.ts";
import { Segment } from "../memory/segment.ts";
import type { Handle } from "../wake/handle.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { CLIENTS, SERVER, SERVERS } from "./folders.ts";

/** What came of dialing. */
export interface DialerEvents {
  /** An invitation is published, and its answer will come at this source. */
  onInvited(index: number): void;
  /** The server accepted. */
  onConnected(segment: Segment, index: number, peer: Peer): void;
  /** The server refused, or died before it answered (then dialing again makes sense). */
  onRefused(error: Error): void;
}

/** What a client offers beside its rings. */
type Terms = Omit<Offer, "capacity" | "grows">;

/** See the module. */
export class Dialer {
  readonly #handle: Handle;
  readonly #realm: Realm;
  readonly #encoded: string;
  readonly #terms: Terms;
  readonly #events: DialerEvents;
  #invitation: Invitation | undefined;

  constructor(
    handle: Handle,
    encoded: string,
    terms: Terms,
    events: DialerEvents,
  ) {
    this.#handle = handle;
    this.#realm = handle.realm;
    this.#encoded = encoded;
    this.#terms = terms;
    this.#events = events;
    handle.onClose(() => this.#close());
  }

  /**
   * Offers rings, and returns the source index to wait at. If it failed after
   * the invitation was published, for want of descriptors, the next call announces that one.
   */
  dial(rings: Pick<Offer, "capacity" | "grows">): number {
    if (this.#invitation === undefined) {
      const offer = { ...this.#terms, ...rings };
      this.#invitation = Invitation.publish(
        this.#handle,
        [CLIENTS, this.#encoded],
        offer,
        (invitation) => this.#onAnswer(invitation, offer),
      );
      this.#events.onInvited(this.#invitation.index);
    }
    const { index } = this.#invitation;
    this.#announce();
    return index;
  }

  #announce(): void {
    const { binding, directory, reactor } = this.#realm;
    const folder = directory.path(SERVERS, this.#encoded);
    for (const file of directory.list(folder)) {
      if (!file.startsWith(SERVER)) continue;
      const segment = Segment.open(binding, `${folder}/${file}`, Kind.server);
      if (segment === undefined) continue;
      try {
        const peer = segment.u32(ServerLayout.state) === SideState.open
          ? this.#realm.acquirePeer(segment.creator)
          : undefined;
        if (peer === undefined) continue;
        Atomics.add(segment.words, ServerLayout.announcements >> 2, 1);
        reactor.ring(peer.segment, segment.u32(ServerLayout.source));
        this.#realm.releasePeer(peer);
      } finally {
        segment.close();
      }
    }
  }

  #onAnswer(invitation: Invitation, offer: Offer): void {
    const { name } = offer;
    const refusal = invitation.refusal(name, offer);
    if (refusal !== undefined) {
      this.#refused(invitation, refusal);
      return;
    }
    const peer = invitation.acquirePartner()?.peer;
    if (peer === undefined) {
      this.#refused(invitation, new PeerGoneError(name, "died"));
      return;
    }
    this.#invitation = undefined;
    const { segment, index, path } = invitation.accept();
    // By us if the server died before it could.
    this.#realm.eventually(() => this.#realm.directory.removeFile(path));
    try {
      this.#events.onConnected(segment, index, peer);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.#refused(invitation, error); // what the server wrote is garbage
    }
  }

  #refused(invitation: Invitation, reason: CausewayError): void {
    this.#invitation = undefined;
    invitation.withdraw();
    this.#events.onRefused(reason);
  }

  #close(): void {
    const invitation = this.#invitation;
    if (invitation === undefined) return;
    this.#invitation = undefined;
    invitation.withdraw();
    this.#realm.directory.prune([CLIENTS, this.#encoded]);
  }
}
