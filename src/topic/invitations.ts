/**
 * Invitations: how a publisher reaches the subscribers that are there when it opens.
 *
 * An invitation is one more name of the publisher's segment. It ends with the subscriber's node,
 * so it belongs to the subscriber: the segment stays until the subscriber has opened it or is
 * dead, also if the publisher closes, exits or is killed before. What was published is read then.
 *
 *     <root>/topic/<name>/invitation-<publisher's source>-<count>-<node>-<subscriber's source>-<count>-<node>
 *
 * @module
 */
import { CausewayError, CorruptSegmentError } from "../errors.ts";
import {
  Header,
  Kind,
  MAX_ENDED_PUBLISHERS,
  PublisherLayout,
  PublisherState,
  SubscriberLayout,
  SubscriberState,
} from "../memory/layout.ts";
import { isNodeId } from "../memory/names.ts";
import type { RuntimeDirectory } from "../memory/directory.ts";
import { Segment } from "../memory/segment.ts";
import type { Realm } from "../wake/realm.ts";
import { openRegistration, participantsIn, SUBSCRIBER } from "./folder.ts";
import type { Participant } from "./folder.ts";
import type { SubscriberTable } from "./subscriber_table.ts";

const INVITATION = "invitation-";

/** The name of the file by which a publisher invites a subscriber. */
export function invitationOf(publisher: Participant, subscriber: Participant): string {
  return `${INVITATION}${textOf(publisher)}-${textOf(subscriber)}`;
}

function textOf({ source, count, node }: Participant): string {
  return `${source}-${count}-${node}`;
}

/** An invitation as its subscriber finds it. */
export interface Invitation {
  readonly path: string;
  readonly publisher: Participant;
}

/** All invitations of a subscriber in a folder. */
export function invitationsIn(
  directory: RuntimeDirectory,
  path: string,
  subscriber: Participant,
): Invitation[] {
  const end = `-${textOf(subscriber)}`;
  const invitations: Invitation[] = [];
  for (const file of directory.list(path)) {
    if (!file.startsWith(INVITATION) || !file.endsWith(end)) continue;
    const text = file.slice(INVITATION.length, -end.length);
    const [source, count, node, ...rest] = text.split("-");
    if (node === undefined || rest.length > 0 || !isNodeId(node)) continue;
    const publisher = { source: Number(source), count: Number(count), node };
    invitations.push({ path: `${path}/${file}`, publisher });
  }
  return invitations;
}

/** A subscriber that was invited. */
interface Guest {
  readonly subscriber: Participant;
  readonly registration: Segment;
  readonly path: string;
  /** It has a slot. Otherwise it is invited only to learn why it hasn't. */
  readonly hasSlot: boolean;
}

/**
 * Invites all subscribers of a folder: those with the same codec get a slot in the table, which
 * keeps their registrations. The caller holds the lock of the folder, and tells them with
 * {@linkcode Invitations.announce} when the publisher is open.
 */
export class Invitations {
  readonly #realm: Realm;
  readonly #guests: Guest[] = [];

  constructor(realm: Realm) {
    this.#realm = realm;
  }

  /** `segment` is the publisher's, under a name that no subscriber looks for yet. */
  inviteAll(
    path: string,
    publisher: Participant,
    segment: Segment,
    table: SubscriberTable,
    failed: (error: unknown) => void,
  ): void {
    for (const subscriber of participantsIn(this.#realm, path, SUBSCRIBER)) {
      const registration = this.#registration(path, subscriber, failed);
      if (registration === undefined) continue;
      // With another codec it gets no slot, and learns why when it opens the segment.
      const isOurs = registration.u32(Header.codec) === segment.u32(Header.codec);
      const outcome = isOurs ? table.invite(subscriber, registration) : "refused";
      if (outcome === "dead") {
        registration.close();
        continue;
      }
      const hasSlot = outcome === "invited";
      this.#dropOldest(path, subscriber, registration);
      const link = `${path}/${invitationOf(publisher, subscriber)}`;
      this.#guests.push({ subscriber, registration, path: link, hasSlot });
      this.#realm.directory.link(segment.path, link);
    }
  }

  /**
   * A subscriber that doesn't run keeps the memory of publishers that have ended, but not of
   * any number: the oldest one goes, and the subscriber is told.
   */
  #dropOldest(path: string, subscriber: Participant, registration: Segment): void {
    const { directory } = this.#realm;
    const invitations = invitationsIn(directory, path, subscriber);
    if (invitations.length < MAX_ENDED_PUBLISHERS) return;
    let oldest: string | undefined;
    let since = Infinity;
    for (const { path, publisher } of invitations) {
      const created = endedSince(this.#realm, path, publisher);
      if (created >= since) continue;
      oldest = path;
      since = created;
    }
    if (oldest === undefined || !directory.removeFile(oldest)) return;
    Atomics.add(registration.words, SubscriberLayout.missed >> 2, 1);
  }

  /** A subscriber's registration; a corrupt one costs only its subscriber. */
  #registration(
    path: string,
    subscriber: Participant,
    failed: (error: unknown) => void,
  ): Segment | undefined {
    try {
      const registration = openRegistration(this.#realm, path, subscriber);
      registration?.releaseFile();
      return registration;
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      failed(error);
      return undefined;
    }
  }

  /** Takes the invitations back: the publisher couldn't be opened. */
  cancel(): void {
    for (const { path, registration } of this.#guests.splice(0)) {
      this.#realm.directory.removeFile(path);
      registration.close();
    }
  }

  /** Tells the subscribers. */
  announce(failed: (error: unknown) => void): void {
    for (const { subscriber, registration, path, hasSlot } of this.#guests.splice(0)) {
      try {
        this.#tell(subscriber, registration, path);
      } catch (error) {
        failed(error);
      }
      if (!hasSlot) registration.close();
    }
  }

  #tell(subscriber: Participant, registration: Segment, path: string): void {
    // It may have been closed, or have died, before it could see the invitation.
    const isClosed = registration.u32(SubscriberLayout.state) === SubscriberState.closed;
    const peer = isClosed ? undefined : this.#realm.acquirePeer(subscriber.node);
    if (peer === undefined) {
      this.#realm.directory.removeFile(path);
      return;
    }
    Atomics.add(registration.words, SubscriberLayout.announcements >> 2, 1);
    this.#realm.reactor.ring(peer.segment, subscriber.source);
    this.#realm.releasePeer(peer);
  }
}

/** When a publisher that has ended was made; `Infinity` if it hasn't. What can't be read has ended. */
function endedSince(realm: Realm, path: string, publisher: Participant): number {
  try {
    const segment = Segment.open(realm.binding, path, Kind.publisher);
    if (segment === undefined) return Infinity;
    const isClosed = segment.u32(PublisherLayout.state) === PublisherState.closed;
    const created = new DataView(segment.bytes.buffer).getFloat64(Header.created, true);
    segment.close();
    return isClosed || realm.isDead(publisher.node) ? created : Infinity;
  } catch (error) {
    if (error instanceof CorruptSegmentError) return -Infinity;
    throw error;
  }
}
