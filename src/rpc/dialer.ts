/**
 * How a client gets in: it publishes an invitation and announcements at the server's
 * door. See `listener.ts` for the other side.
 *
 * @module
 */
import { Invitation } from "../connection/handshake.ts";
import type { Offer } from "../connection/handshake.ts";
import { readSide } from "../connection/handshake.ts";
import { CausewayError, PeerGoneError } from "../errors.ts";
import { Kind, ServerLayout, SideState } from "../memory/layout.ts";
import { Segment } from "../memory/segment.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { CLIENTS, SERVER, SERVERS } from "./folders.ts";

/** What came of dialing. */
export interface DialerEvents {
  /** We were let in. */
  onConnected(segment: Segment, index: number, peer: Peer): void;
  /** We were refused, or the server died at the door (then dialing again makes sense). */
  onRefused(error: Error): void;
}

/** See the module. */
export class Dialer {
  readonly #realm: Realm;
  readonly #encoded: string;
  readonly #terms: Omit<Offer, "capacity">;
  readonly #events: DialerEvents;
  #invitation: Invitation | undefined;

  constructor(
    realm: Realm,
    encoded: string,
    terms: Omit<Offer, "capacity">,
    events: DialerEvents,
  ) {
    this.#realm = realm;
    this.#encoded = encoded;
    this.#terms = terms;
    this.#events = events;
  }

  /** Asks to be let in with rings of that size, and returns the source index to wait at. */
  dial(capacity: number): number {
    const offer = { ...this.#terms, capacity };
    const folder = [CLIENTS, this.#encoded];
    this.#invitation = Invitation.publish(
      this.#realm,
      folder,
      offer,
      (invitation) => this.#onAnswer(invitation, offer),
    );
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
    this.#invitation = undefined;
    const { name } = offer;
    const refusal = invitation.refusal(name, offer);
    if (refusal !== undefined) {
      invitation.withdraw();
      this.#events.onRefused(refusal);
      return;
    }
    const { segment, index, path } = invitation.accept();
    this.#realm.directory.removeFile(path); // by us if the server died before it could
    let refused: CausewayError = new PeerGoneError(name, "died");
    try {
      const peer = this.#realm.acquirePeer(readSide(segment, "b").node);
      if (peer !== undefined) {
        this.#events.onConnected(segment, index, peer);
        return;
      }
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      refused = error; // What the server wrote is garbage.
    }
    invitation.withdraw();
    this.#events.onRefused(refused);
  }

  /** Gives up. */
  close(): void {
    if (this.#invitation === undefined) return;
    this.#invitation.withdraw();
    this.#invitation = undefined;
    this.#realm.directory.prune([CLIENTS, this.#encoded]);
  }
}
