/**
 * How two partners of a channel find each other.
 *
 *     <root>/channel/<name>/join-<source>-<count>-<node>     an invitation, answered or not
 *
 * Both do the same under the lock of the folder: answer the invitation that is
 * there, or publish one. The file stays while the two are connected, so that a
 * third is refused. A process that can prove one of the two dead or closed removes it.
 *
 * @module
 */
import { INVITATION, Invitation, keepCapacity, offeredCapacity } from "../connection/handshake.ts";
import { readSide, writeSide } from "../connection/handshake.ts";
import { CapacityMismatchError, CausewayError, NameTakenError } from "../errors.ts";
import { ConnectionLayout, Kind, Side, SideState } from "../memory/layout.ts";
import { Segment } from "../memory/segment.ts";
import { BUSY } from "../memory/directory.ts";
import type { Handle } from "../wake/handle.ts";
import type { Peer, Realm } from "../wake/realm.ts";

const FOLDER = "channel";

/** Two partners met. */
export interface Pair {
  readonly segment: Segment;
  /** Which side is ours. */
  readonly side: "a" | "b";
  /** Our source. */
  readonly index: number;
  /** Undefined if it died before this side looked: what it wrote before is there to be read. */
  readonly peer: Peer | undefined;
}

/** See the module. */
export class Pairing {
  readonly #handle: Handle;
  readonly #realm: Realm;
  readonly #name: string;
  readonly #parts: string[];
  readonly #capacity: { asked: number | undefined; fallback: number };
  readonly #onPaired: (pair: Pair) => void;
  readonly #onMissed: () => void;
  #invitation: Invitation | undefined;
  /** The file of the invitation that we answered, or that was answered to us. */
  #path: string | undefined;

  /**
   * `onPaired` gets the partner, also one that has left already but may have written
   * something; `onMissed` is told that nothing came of an answer, and that
   * it is time to seek again.
   */
  constructor(
    handle: Handle,
    name: string,
    encoded: string,
    capacity: { asked: number | undefined; fallback: number },
    onPaired: (pair: Pair) => void,
    onMissed: () => void,
  ) {
    this.#handle = handle;
    this.#realm = handle.realm;
    this.#name = name;
    this.#parts = [FOLDER, encoded];
    this.#capacity = capacity;
    this.#onPaired = onPaired;
    this.#onMissed = onMissed;
    handle.onClose(() => this.leave());
  }

  /**
   * Answers a partner's invitation, or publishes one: then its source index is returned.
   * Waits for the lock of the folder.
   *
   * @throws {TimeoutError} Another process held the lock for too long.
   */
  async open(signal?: AbortSignal): Promise<number | undefined> {
    return this.#found(
      await this.#realm.locked(this.#parts, (path) => this.#answerAny(path), signal),
    );
  }

  /** The same at once; `BUSY` if another process holds the lock. */
  seek(): number | undefined | typeof BUSY {
    if (this.#invitation !== undefined) return this.#invitation.index;
    const { directory } = this.#realm;
    const pair = directory.tryLocked(this.#parts, (path) => this.#answerAny(path));
    return pair === BUSY ? BUSY : this.#found(pair);
  }

  #found(pair: Pair | undefined): number | undefined {
    if (pair === undefined) return this.#invitation?.index;
    this.#onPaired(pair);
    return undefined;
  }

  #answerAny(path: string): Pair | undefined {
    this.#handle.checkOpen(); // it may have been closed while the lock was waited for
    const { directory } = this.#realm;
    for (const file of directory.list(path)) {
      if (!file.startsWith(INVITATION)) continue;
      const pair = this.#answer(`${path}/${file}`);
      if (pair !== undefined) return pair;
    }
    this.#invite();
    return undefined;
  }

  #answer(path: string): Pair | undefined {
    const { binding, directory } = this.#realm;
    const segment = Segment.open(binding, path, Kind.connection);
    if (segment === undefined) return undefined;
    try {
      if (this.#isStale(segment)) {
        directory.removeFile(path);
      } else {
        return this.#accept(segment, path);
      }
    } catch (error) {
      segment.close();
      throw error;
    }
    segment.close();
    return undefined;
  }

  #isStale(segment: Segment): boolean {
    const a = readSide(segment, "a");
    const b = readSide(segment, "b");
    if (a.state !== SideState.open || this.#realm.isDead(a.node)) return true;
    if (b.state === SideState.absent) return false;
    return b.state !== SideState.open || this.#realm.isDead(b.node);
  }

  #accept(segment: Segment, path: string): Pair | undefined {
    const a = readSide(segment, "a");
    if (segment.u32(ConnectionLayout.b + Side.state) !== SideState.absent) {
      throw new NameTakenError(
        `two partners are connected on channel "${this.#name}", a third is refused: ` +
          "use another name, or RPC for many clients",
      );
    }
    const { asked } = this.#capacity;
    const capacity = offeredCapacity(segment);
    if (asked !== undefined && asked !== capacity) {
      throw new CapacityMismatchError(this.#name, asked, capacity);
    }
    const { reactor, directory } = this.#realm;
    const index = reactor.reserve();
    try {
      const peer = this.#realm.acquirePeer(a.node);
      if (peer !== undefined) {
        segment.releaseFile();
        if (asked !== undefined) keepCapacity(segment);
        writeSide(segment, "b", this.#realm.id, index);
        reactor.ring(peer.segment, a.source);
        this.#path = path;
        return { segment, side: "b", index, peer };
      }
    } catch (error) {
      reactor.remove(index);
      throw error;
    }
    reactor.remove(index);
    directory.removeFile(path);
    segment.close();
    return undefined;
  }

  #invite(): void {
    const { asked, fallback } = this.#capacity;
    const offer = {
      name: this.#name,
      capacity: asked ?? fallback,
      grows: asked === undefined,
      codec: 0,
    };
    this.#invitation = Invitation.publish(
      this.#handle,
      this.#parts,
      offer,
      (invitation) => this.#onAnswer(invitation),
    );
  }

  #onAnswer(invitation: Invitation): void {
    const partner = invitation.acquirePartner();
    this.#invitation = undefined;
    if (partner !== undefined) {
      const { segment, index, path } = invitation.accept();
      this.#path = path;
      try {
        this.#onPaired({ segment, side: "a", index, peer: partner.peer });
        return;
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
        this.#handle.reportPeer(error);
      }
    }
    // The partner wrote garbage.
    invitation.withdraw();
    this.#onMissed();
  }

  /** Removes what this side published, and the folder if it is empty. */
  leave(): void {
    const invitation = this.#invitation;
    const path = this.#path;
    this.#invitation = undefined;
    this.#path = undefined;
    invitation?.withdraw();
    this.#realm.eventually(() => {
      if (path !== undefined) this.#realm.directory.removeFile(path);
      this.#realm.directory.prune(this.#parts);
    });
  }
}
