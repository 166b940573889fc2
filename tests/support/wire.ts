// Real connections in shared memory, with nothing above them. Of a `Wire` one end is a connection
// and the other the test, which writes and reads records. A `pair` has a connection at both ends.

import assert from "node:assert/strict";
import { Connection } from "../../src/connection/connection.ts";
import type { ConnectionHandler } from "../../src/connection/handler.ts";
import { writeSide } from "../../src/connection/handshake.ts";
import type { IncomingCall } from "../../src/connection/incoming.ts";
import { limitsOf } from "../../src/connection/options.ts";
import type { ConnectionLimits } from "../../src/connection/options.ts";
import { ringEnds } from "../../src/connection/rings.ts";
import type { GoneReason } from "../../src/errors.ts";
import { ConnectionLayout, connectionPages, Kind, Side } from "../../src/memory/layout.ts";
import { createNode, removeNode } from "../../src/memory/nodes.ts";
import { Segment } from "../../src/memory/segment.ts";
import type { RingConsumer } from "../../src/ring/consumer.ts";
import type { RingProducer } from "../../src/ring/producer.ts";
import { RecordHeader } from "../../src/ring/record.ts";
import type { RecordFields } from "../../src/ring/record.ts";
import { Polled } from "../../src/wake/reactor.ts";
import { Realm } from "../../src/wake/realm.ts";
import { textOf } from "./api.ts";
import { native, Scratch } from "./scratch.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of each ring. */
export const CAPACITY = 4096;

/** Keeps what a connection tells its pattern. Requests aren't answered. */
export class Recorder implements ConnectionHandler {
  readonly ownsPayloads = false;
  readonly requests: { call: IncomingCall; payload: Bytes | undefined }[] = [];
  readonly messages: [method: number, payload: Bytes | undefined][] = [];
  readonly gone: [reason: GoneReason, cause: unknown][] = [];
  readonly peerErrors: unknown[] = [];

  onRequest(call: IncomingCall, payload: Bytes | undefined): boolean {
    this.requests.push({ call, payload });
    return false;
  }

  onMessage(method: number, payload: Bytes | undefined): Promise<unknown> | undefined {
    this.messages.push([method, payload]);
    return undefined;
  }

  decodeError(payload: Bytes | undefined): unknown {
    return new Error(textOf(payload));
  }

  encodeError(error: unknown): Bytes {
    return new TextEncoder().encode(String(error instanceof Error ? error.message : error));
  }

  onGone(reason: GoneReason, cause: unknown): void {
    this.gone.push([reason, cause]);
  }

  onPeerError(error: unknown): void {
    this.peerErrors.push(error);
  }
}

/** How the connections of a test are. */
export interface WireOptions {
  /** What the handler does instead of a {@linkcode Recorder}'s. */
  handler?: Partial<ConnectionHandler>;
  limits?: Partial<ConnectionLimits>;
}

/** And the rings between them. */
export interface RingOptions {
  /** Bytes of each ring; default {@linkcode CAPACITY}. */
  capacity?: number;
  /** May they be replaced by larger ones? Default false. */
  grows?: boolean;
  /** Is the other side dead before the connection is made? */
  isDead?: boolean;
}

const closer = (): void => {};

function connect(
  realm: Realm,
  segment: Segment,
  side: "a" | "b",
  peer: string,
  index: number,
  { handler, limits }: WireOptions,
): End {
  const told = Object.assign(new Recorder(), handler);
  const acquired = realm.acquirePeer(peer);
  const all = { ...limitsOf({}), ...limits };
  return {
    told,
    connection: new Connection(realm, segment, side, "wire", index, acquired, told, all),
  };
}

function makeSegment(
  scratch: Scratch,
  file: string,
  { capacity = CAPACITY, grows = false }: RingOptions,
): Segment {
  const segment = scratch.segment(file, { pages: connectionPages(capacity), capacity });
  segment.setU32(ConnectionLayout.grows, grows ? 1 : 0);
  return segment;
}

/** See the file. */
export class Wire implements Disposable {
  readonly connection: Connection;
  /** What the connection told its pattern. */
  readonly told: Recorder;
  readonly realm: Realm;
  /** The test's side: what it writes with, and what it reads. */
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
  /** The test's own mapping of the segment. */
  readonly segment: Segment;
  readonly #node: { id: string; segment: Segment };
  readonly #scratch: Scratch;

  private constructor(scratch: Scratch, realm: Realm, options: WireOptions & RingOptions) {
    this.#scratch = scratch;
    this.realm = realm;
    this.#node = createNode(native, scratch.directory);
    const index = realm.reactor.reserve();
    const segment = makeSegment(scratch, "wire", options);
    this.segment = Segment.open(native, segment.path, Kind.connection)!;
    writeSide(segment, "a", realm.id, index);
    writeSide(segment, "b", this.#node.id, 0);
    [this.producer, this.consumer] = ringEnds(this.segment, "b");
    if (options.isDead) this.die();
    const { connection, told } = connect(realm, segment, "a", this.#node.id, index, options);
    this.connection = connection;
    this.told = told;
  }

  static async open(options: WireOptions & RingOptions = {}): Promise<Wire> {
    const scratch = new Scratch();
    return new Wire(scratch, await Realm.acquire(scratch.path, closer), options);
  }

  /** Id of the test's node. */
  get node(): string {
    return this.#node.id;
  }

  /** Writes a record without waking the connection. */
  write(fields: Partial<RecordFields>, payload?: Uint8Array, from = 0, to?: number): void {
    const end = to ?? payload?.length ?? 0;
    assert.ok(this.producer.write(RecordHeader.of(fields), payload, from, end), "no room");
  }

  /** The same, and the connection reads it. */
  tell(fields: Partial<RecordFields>, payload?: Uint8Array, from = 0): void {
    this.write(fields, payload, from);
    this.read();
  }

  /** The connection reads all there is; by itself it would let the event loop have its turns. */
  read(): void {
    while (this.connection.poll() !== Polled.nothing);
  }

  /** The next record that the connection has sent. */
  next(): (RecordFields & { payload: Bytes }) | undefined {
    if (!this.consumer.next()) return undefined;
    return { ...RecordHeader.copy(this.consumer), payload: this.consumer.take() };
  }

  /** All of them, as far as they are in the ring. */
  all(): (RecordFields & { payload: Bytes })[] {
    const records = [];
    for (let record = this.next(); record !== undefined; record = this.next()) records.push(record);
    this.consumer.release();
    return records;
  }

  /** Leaves, as a side that closes does. */
  leave(state: number): void {
    this.segment.setU32(ConnectionLayout.b + Side.state, state);
  }

  /** Dies, as a process does. */
  die(): void {
    this.#node.segment.close();
  }

  [Symbol.dispose](): void {
    this.connection.close();
    this.segment.close();
    this.die();
    removeNode(this.#scratch.directory, this.#node.id);
    this.realm.release(closer);
    this.#scratch[Symbol.dispose]();
  }
}

/** One end of a pair, and what it told its pattern. */
export interface End {
  readonly connection: Connection;
  readonly told: Recorder;
}

let pairs = 0;

/** Two connections of a realm with each other. */
export function connectPair(
  realm: Realm,
  scratch: Scratch,
  a: WireOptions = {},
  b: WireOptions = {},
  rings: RingOptions = {},
): { a: End; b: End } {
  const segment = makeSegment(scratch, `pair-${pairs++}`, rings);
  const other = Segment.open(native, segment.path, Kind.connection)!;
  const [left, right] = [realm.reactor.reserve(), realm.reactor.reserve()];
  writeSide(segment, "a", realm.id, left);
  writeSide(segment, "b", realm.id, right);
  return {
    a: connect(realm, segment, "a", realm.id, left, a),
    b: connect(realm, other, "b", realm.id, right, b),
  };
}

/** The same, in a realm of its own. */
export class Pair implements Disposable {
  readonly a: End;
  readonly b: End;
  readonly #realm: Realm;
  readonly scratch: Scratch;

  private constructor(
    scratch: Scratch,
    realm: Realm,
    a: WireOptions,
    b: WireOptions,
    rings: RingOptions,
  ) {
    this.scratch = scratch;
    this.#realm = realm;
    const ends = connectPair(realm, scratch, a, b, rings);
    this.a = ends.a;
    this.b = ends.b;
  }

  static async open(
    a: WireOptions = {},
    b: WireOptions = {},
    rings: RingOptions = {},
  ): Promise<Pair> {
    const scratch = new Scratch();
    return new Pair(scratch, await Realm.acquire(scratch.path, closer), a, b, rings);
  }

  [Symbol.dispose](): void {
    this.a.connection.close();
    this.b.connection.close();
    this.#realm.release(closer);
    this.scratch[Symbol.dispose]();
  }
}
