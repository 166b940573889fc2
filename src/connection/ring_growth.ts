/**
 * Rings that grow. A connection begins with small rings, so that thousands of idle ones cost
 * little. A side whose ring turns out to be too small, for a message that has to travel in pieces
 * or because the ring was full, makes a larger one in a file of its own, and moves there:
 *
 *     producer: makes the ring, and offers it by a record of the old one
 *     consumer: opens it, and says so in its first words (`taken`)
 *     producer: writes that it moves, as the last record of the old ring, and goes on in the new one
 *     consumer: reads that, and goes on in the new one
 *
 * So records stay in order, also the pieces of one message. Nothing depends on it: where the
 * larger ring can't be made or opened, the connection goes on with the one that it has.
 *
 * @module
 */
import { CausewayError, CorruptSegmentError, isShortage } from "../errors.ts";
import { nativePath } from "../memory/directory.ts";
import { Header, Kind, PAGE, RingLayout } from "../memory/layout.ts";
import { Segment } from "../memory/segment.ts";
import type { RingConsumer } from "../ring/consumer.ts";
import type { RingProducer } from "../ring/producer.ts";
import { RecordFlag, RecordHeader, RecordKind } from "../ring/record.ts";
import type { Realm } from "../wake/realm.ts";

/**
 * Bytes of the larger ring. Two processors copy at the same time through it, and it stays within
 * their caches: measured with `bench/payloads.ts`.
 */
export const GROWN_CAPACITY = 1 << 20;
/** The directory must have so many times as much space left. */
const SPARE = 16;
/** The folder of the files. */
const RINGS = "ring";

/** A connection, as far as its rings concern it. */
export interface GrowingHost {
  readonly realm: Realm;
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
  /** Id of the peer's node; `undefined` if it is dead. */
  readonly peer: string | undefined;
  /** Wakes the peer. */
  ring(): void;
}

let count = 0;

/** How far the ring that this side writes into has come. */
type Progress = "small" | "wanted" | "made" | "offered" | "grown" | "impossible";

/** See the module. */
export class RingGrowth {
  readonly #host: GrowingHost;
  #progress: Progress = "small";
  /** The larger ring that this side writes into, and the one that it reads from. */
  #outgoing: Segment | undefined;
  #incoming: Segment | undefined;
  #hasIncomingMoved = false;
  #number = 0;

  /** `isAllowed`: may this side's ring grow? */
  constructor(host: GrowingHost, isAllowed: boolean) {
    this.#host = host;
    if (!isAllowed || host.producer.capacity >= GROWN_CAPACITY) this.#progress = "impossible";
  }

  /** Is there something to do for {@linkcode RingGrowth.step}? */
  get isUnderWay(): boolean {
    return this.#progress === "wanted" || this.#progress === "made" || this.#progress === "offered";
  }

  /** Bytes that the rings hold that this side reads from. */
  get readable(): number {
    const { capacity } = this.#host.consumer;
    return this.#incoming === undefined || this.#hasIncomingMoved
      ? capacity
      : capacity + this.#incoming.u32(Header.capacity);
  }

  /** The ring that this side writes into is too small. */
  want(): void {
    if (this.#progress === "small") this.#progress = "wanted";
  }

  /** Does what can be done now. To be called before something is written. */
  step(): void {
    if (this.#progress === "wanted") this.#progress = this.#make() ? "made" : "impossible";
    if (this.#progress === "made") {
      if (this.#tell(RecordKind.grow)) this.#progress = "offered";
    } else if (this.#progress === "offered" && this.#outgoing!.u32(RingLayout.taken) !== 0) {
      if (!this.#tell(RecordKind.moved)) return;
      this.#host.producer.moveTo(
        this.#outgoing!,
        RingLayout.words,
        RingLayout.data,
        GROWN_CAPACITY,
      );
      this.#removeFile();
      this.#progress = "grown";
    }
  }

  #make(): boolean {
    const { realm, peer } = this.#host;
    if (peer === undefined || !realm.checkFiles()) return false;
    try {
      if (!this.#hasSpace()) return false;
      this.#number = ++count;
      this.#outgoing = realm.directory.within([RINGS, realm.id], () => {
        return Segment.create(realm.binding, this.#path(realm.id, this.#number), {
          kind: Kind.ring,
          pages: (RingLayout.data + GROWN_CAPACITY) / PAGE,
          creator: realm.id,
          capacity: GROWN_CAPACITY,
        }) ?? "gone";
      });
      this.#outgoing.releaseFile();
      return true;
    } catch (error) {
      if (error instanceof CausewayError) return false;
      throw error;
    }
  }

  #hasSpace(): boolean {
    const { binding: { shim }, directory } = this.#host.realm;
    const out = new BigUint64Array(2);
    return shim.cw_directory_space(nativePath(directory.root), out) === 0 &&
      Number(out[0]) >= SPARE * GROWN_CAPACITY;
  }

  #path(node: string, number: number): string {
    return this.#host.realm.directory.path(RINGS, node, `${number}-${node}`);
  }

  #tell(kind: number): boolean {
    const { producer } = this.#host;
    const header = RecordHeader.of({
      kind,
      flags: RecordFlag.nothing,
      correlation: this.#number,
    });
    if (!producer.write(header, undefined)) return false;
    if (producer.takeConsumerWaiting()) this.#host.ring();
    return true;
  }

  /** A record that concerns rings: see {@linkcode isOfRings}. */
  take(kind: number, number: number): void {
    if (kind === RecordKind.grow) this.#onOffer(number);
    else this.#onMoved();
  }

  #onOffer(number: number): void {
    if (this.#incoming !== undefined) throw new CorruptSegmentError("a second ring is offered");
    const { realm, peer } = this.#host;
    if (peer === undefined) return;
    let segment: Segment | undefined;
    try {
      segment = Segment.open(realm.binding, this.#path(peer, number), Kind.ring);
    } catch (error) {
      if (!isShortage(error)) throw error;
    }
    if (segment === undefined) return;
    segment.releaseFile();
    this.#incoming = segment;
    const capacity = segment.u32(Header.capacity);
    if (capacity !== GROWN_CAPACITY || segment.size !== RingLayout.data + capacity) {
      throw new CorruptSegmentError(
        `a ring of ${capacity} bytes in ${segment.size} is offered, where ${GROWN_CAPACITY} are due`,
      );
    }
    segment.setU32(RingLayout.taken, 1);
  }

  #onMoved(): void {
    const segment = this.#incoming;
    if (segment === undefined || this.#hasIncomingMoved) {
      throw new CorruptSegmentError("the peer moves to a ring that this side hasn't taken");
    }
    this.#hasIncomingMoved = true;
    this.#host.consumer.moveTo(segment, RingLayout.words, RingLayout.data, GROWN_CAPACITY);
  }

  #removeFile(): void {
    const { realm } = this.#host;
    const path = this.#path(realm.id, this.#number);
    realm.eventually(() => {
      realm.directory.removeFile(path);
      realm.directory.prune([RINGS, realm.id]);
    });
  }

  /** The connection has ended. */
  close(): void {
    if (this.#progress === "made" || this.#progress === "offered") this.#removeFile();
    this.#progress = "impossible";
    this.#outgoing?.close();
    this.#incoming?.close();
  }
}

/** Does a record concern the rings, and no message? */
export function isOfRings(kind: number): boolean {
  return kind === RecordKind.grow || kind === RecordKind.moved;
}
