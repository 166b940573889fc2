/**
 * How two sides come to share a connection. One makes the segment, writes itself
 * in as side a, and publishes it as a file: an invitation. Another opens it,
 * writes itself in as side b, and rings. Which file, and who may answer it, is the
 * patterns' business.
 *
 * @module
 */
import { CapacityMismatchError, CodecMismatchError, ConnectionLimitError } from "../errors.ts";
import { CausewayError, CorruptSegmentError, isShortage } from "../errors.ts";
import {
  ConnectionLayout,
  connectionPages,
  Header,
  Kind,
  Refusal,
  Side,
  SideState,
} from "../memory/layout.ts";
import { codecName } from "../codec/codec_id.ts";
import { readNodeId, writeNodeId } from "../memory/names.ts";
import { Segment, writeText } from "../memory/segment.ts";
import { Polled } from "../wake/reactor.ts";
import type { Source } from "../wake/reactor.ts";
import type { Handle } from "../wake/handle.ts";
import type { Peer, Realm } from "../wake/realm.ts";

/** What an invitation offers. */
export interface Offer {
  /** The name under which partners meet. */
  readonly name: string;
  /** Data bytes of each ring. */
  readonly capacity: number;
  /** May larger rings replace them? Not if the user has chosen their size. */
  readonly grows: boolean;
  /** {@linkcode codecId} of the codec, 0 for raw bytes. */
  readonly codec: number;
}

let count = 0;

/** Milliseconds until an answer that couldn't be used for want of something is looked at again. */
const RETRY_MS = 50;

/** An invitation that this realm published and that no partner has answered yet. */
export class Invitation implements Source {
  readonly #handle: Handle;
  readonly #segment: Segment;
  readonly #path: string;
  readonly #index: number;
  readonly #onAnswer: (invitation: Invitation) => void;
  readonly #unhook: () => void;
  #isOpen = true;
  #isPaused = false;

  private constructor(
    handle: Handle,
    segment: Segment,
    path: string,
    index: number,
    onAnswer: (invitation: Invitation) => void,
  ) {
    this.#handle = handle;
    this.#segment = segment;
    this.#path = path;
    this.#index = index;
    this.#onAnswer = onAnswer;
    this.#unhook = handle.onDeathHint(() => handle.reactor.heat(index));
  }

  /**
   * Makes and publishes an invitation in a folder of the runtime directory. `onAnswer` is
   * called when it was answered; what it throws ends the handle, but a shortage: then it is
   * called again soon.
   */
  static publish(
    handle: Handle,
    folder: string[],
    offer: Offer,
    onAnswer: (invitation: Invitation) => void,
  ): Invitation {
    const { realm } = handle;
    const index = realm.reactor.reserve();
    try {
      return realm.directory.within(folder, (path) => {
        const file = `${path}/${INVITATION}${index}-${++count}-${realm.id}`;
        const segment = prepare(realm, file, index, offer);
        if (segment === undefined) return "gone";
        const invitation = new Invitation(handle, segment, file, index, onAnswer);
        realm.reactor.attach(index, invitation);
        return invitation;
      });
    } catch (error) {
      realm.reactor.remove(index);
      realm.directory.prune(folder);
      throw error;
    }
  }

  /** Index of the source, for blocking until it is answered. */
  get index(): number {
    return this.#index;
  }

  /**
   * The partner that answered, without a `peer` if it is dead; `undefined` if it wrote garbage.
   *
   * @throws A shortage.
   */
  acquirePartner(): { readonly peer: Peer | undefined } | undefined {
    try {
      return { peer: this.#handle.realm.acquirePeer(readSide(this.#segment, "b").node) };
    } catch (error) {
      if (!(error instanceof CausewayError) || isShortage(error)) throw error;
      this.#handle.reportPeer(error);
      return undefined;
    }
  }

  /** See {@linkcode Source}. */
  poll(): Polled {
    if (!this.#isOpen || this.#isPaused || this.#state() === SideState.absent) {
      return Polled.nothing;
    }
    try {
      this.#onAnswer(this);
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#isPaused = true;
      this.#handle.startTimer(() => {
        this.#isPaused = false;
        if (this.#isOpen) this.#handle.reactor.heat(this.#index);
      }, RETRY_MS);
    }
    return Polled.resolved;
  }

  /** See {@linkcode Source}: a partner that answers rings without being asked. */
  arm(): boolean {
    return !this.#isOpen || this.#isPaused || this.#state() === SideState.absent;
  }

  /** See {@linkcode Source}. */
  fail(error: unknown): void {
    this.withdraw();
    this.#handle.fail(error);
  }

  #state(): number {
    return this.#segment.u32(ConnectionLayout.b + Side.state);
  }

  #settle(): void {
    this.#isOpen = false;
    this.#unhook();
  }

  /** Why it was refused, or `undefined` if it was accepted. */
  refusal(name: string, offer: Offer): CausewayError | undefined {
    if (this.#state() !== SideState.refused) return undefined;
    const value = this.#segment.u32(ConnectionLayout.b + Side.value);
    switch (this.#segment.u32(ConnectionLayout.b + Side.refusal)) {
      case Refusal.connectionLimit:
        return new ConnectionLimitError(name, value);
      case Refusal.codec:
        return new CodecMismatchError(name, codecName(offer.codec), codecName(value));
      case Refusal.capacity:
        return new CapacityMismatchError(name, offer.capacity, value);
      default:
        return new CorruptSegmentError("a refusal without a known reason");
    }
  }

  /** Hands the segment and its source index over to a connection. */
  accept(): { segment: Segment; index: number; path: string } {
    this.#settle();
    return { segment: this.#segment, index: this.#index, path: this.#path };
  }

  /** Takes the invitation back. A partner that has answered it finds this side closed. */
  withdraw(): void {
    this.#settle();
    const { realm } = this.#handle;
    if (this.#segment.mapped) {
      this.#segment.setU32(ConnectionLayout.a + Side.state, SideState.closed);
    }
    realm.eventually(() => realm.directory.removeFile(this.#path));
    realm.reactor.remove(this.#index);
    this.#segment.close();
  }
}

/** What the names of invitations begin with; they end with the id of their node. */
export const INVITATION = "join-";
/** The same for a file that isn't complete. */
const UNPUBLISHED = "new-";

function prepare(realm: Realm, file: string, index: number, offer: Offer): Segment | undefined {
  const { binding, directory } = realm;
  const slash = file.lastIndexOf("/") + 1;
  const draft = `${file.slice(0, slash)}${UNPUBLISHED}${file.slice(slash)}`;
  const segment = Segment.create(binding, draft, {
    kind: Kind.connection,
    pages: connectionPages(offer.capacity),
    creator: realm.id,
    capacity: offer.capacity,
    codec: offer.codec,
  });
  if (segment === undefined) return undefined;
  writeText(segment, ConnectionLayout.name, ConnectionLayout.nameBytes, offer.name);
  segment.setU32(ConnectionLayout.grows, offer.grows ? 1 : 0);
  writeSide(segment, "a", realm.id, index);
  segment.releaseFile();
  if (directory.rename(draft, file)) return segment;
  segment.close();
  return undefined;
}

/** Writes a side in; its state comes last, because it makes the rest valid. */
export function writeSide(segment: Segment, side: "a" | "b", node: string, source: number): void {
  const at = ConnectionLayout[side];
  writeNodeId(segment.bytes, at + Side.node, node);
  segment.setU32(at + Side.source, source);
  // ORDER: the state last: it makes the rest valid.
  segment.setU32(at + Side.state, SideState.open);
}

/** What a side says of itself. */
export function readSide(segment: Segment, side: "a" | "b"): {
  node: string;
  source: number;
  state: number;
} {
  const at = ConnectionLayout[side];
  return {
    state: segment.u32(at + Side.state),
    node: readNodeId(segment.bytes, at + Side.node),
    source: segment.u32(at + Side.source),
  };
}

/** Answers an invitation with a reason why not. */
export function writeRefusal(segment: Segment, reason: number, value: number): void {
  const at = ConnectionLayout.b;
  segment.setU32(at + Side.refusal, reason);
  segment.setU32(at + Side.value, value);
  // ORDER: the reason before the state that points to it.
  segment.setU32(at + Side.state, SideState.refused);
}

/** The rings stay as they are: to be called before the invitation is answered. */
export function keepCapacity(segment: Segment): void {
  segment.setU32(ConnectionLayout.grows, 0);
}

/** The capacity of the rings that a segment was made with. */
export function offeredCapacity(segment: Segment): number {
  return segment.u32(Header.capacity);
}
