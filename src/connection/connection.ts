/**
 * A connection: requests, answers and messages between two partners, over two
 * rings in one segment.
 *
 * Guarantees: messages arrive in the order they were sent; an answer reaches the
 * call it belongs to or nobody; a peer's death or close rejects what waits with
 * {@linkcode PeerGoneError}; garbage from the peer ends the connection and nothing
 * else. Who is connected with whom is the patterns' business.
 *
 * @module
 */
import {
  ClosedError,
  CorruptSegmentError,
  MessageTooLargeError,
  PeerGoneError,
} from "../errors.ts";
import { newConnectionCounters } from "../statistics.ts";
import type { ConnectionStatistics, Counters } from "../statistics.ts";
import type { GoneReason } from "../errors.ts";
import { ConnectionLayout, Side, SideState } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import type { RingConsumer } from "../ring/consumer.ts";
import type { RingProducer } from "../ring/producer.ts";
import { isUsers, RECORD_HEADER, RecordFlag, RecordHeader, RecordKind } from "../ring/record.ts";
import { Polled } from "../wake/reactor.ts";
import type { Reactor, Source } from "../wake/reactor.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { totalBytes } from "../codec/attachments.ts";
import { CallTable } from "./calls.ts";
import type { CallOptions, ConnectionHandler } from "./handler.ts";
import { MOST_OWED, mostOwed } from "./limits.ts";
import { checkPayload } from "./options.ts";
import type { ConnectionLimits } from "./options.ts";
import { RecordDispatcher } from "./record_dispatcher.ts";
import type { Responder } from "./incoming.ts";
import { OutgoingCalls } from "./outgoing.ts";
import type { CallHost } from "./outgoing.ts";
import { isOfRings, RingGrowth } from "./ring_growth.ts";
import { SendQueue } from "./send_queue.ts";
import { ringEnds } from "./rings.ts";
import { Streams } from "./streams.ts";

/** Records handled in one poll, so that one connection doesn't hold up the others. */
const RECORDS_PER_POLL = 512;

/**
 * Full pieces of streams in a ring. More would cost more records, fewer would let one
 * side wait for the other: measured with `bench/streams.ts`.
 */
const STREAM_PIECES = 8;

type Bytes = Uint8Array<ArrayBuffer>;

/** See the module. */
export class Connection implements Source, Responder {
  /** The name it was made under, for messages. */
  readonly name: string;
  /** Counters of this side. */
  readonly statistics: Counters<ConnectionStatistics> = newConnectionCounters();
  /** The streams that cross it. */
  readonly streams: Streams;

  readonly #realm: Realm;
  readonly #reactor: Reactor;
  readonly #segment: Segment;
  readonly #handler: ConnectionHandler;
  readonly #limits: ConnectionLimits;
  /** Undefined if its node was dead when this side saw its answer. */
  readonly #peer: Peer | undefined;
  readonly #peerSource: number;
  readonly #peerState: number;
  readonly #ownState: number;
  readonly #index: number;
  readonly #producer: RingProducer;
  readonly #consumer: RingConsumer;
  readonly #sendQueue: SendQueue;
  readonly #calls = new CallTable();
  readonly #dispatcher: RecordDispatcher;
  /** Of the record that is written now. */
  readonly #header = new RecordHeader();
  readonly #onDeath = (): void => this.#onPeerDied();
  readonly #onSettled = (): void => this.#reactor.unexpect();
  readonly #outgoing: OutgoingCalls;
  readonly #growth: RingGrowth;
  /** Does what waits to be sent keep the process alive? */
  #holds = false;
  #writable: PromiseWithResolvers<void> | undefined;
  #state: "open" | "closed" | "gone" = "open";
  /** The peer's node is dead, but what it wrote before isn't read yet. */
  #died = false;
  /** Bytes of records that may still be read of a peer that is dead. */
  #unread = Infinity;
  #reason: GoneReason = "closed";

  /**
   * `side` is ours. Both sides of the segment name their node and source; the
   * peer's node was acquired for this connection, which gives it back, also when
   * {@linkcode CorruptSegmentError} is thrown because what the peer wrote makes no sense.
   * Without a peer, its node is dead already: what it wrote before is read.
   */
  constructor(
    realm: Realm,
    segment: Segment,
    side: "a" | "b",
    name: string,
    index: number,
    peer: Peer | undefined,
    handler: ConnectionHandler,
    limits: ConnectionLimits,
  ) {
    this.name = name;
    this.#realm = realm;
    this.#reactor = realm.reactor;
    this.#segment = segment;
    this.#handler = handler;
    this.#limits = limits;
    this.#peer = peer;
    this.#index = index;
    const other = side === "a" ? "b" : "a";
    this.#ownState = (ConnectionLayout[side] + Side.state) >> 2;
    this.#peerState = (ConnectionLayout[other] + Side.state) >> 2;
    this.#peerSource = segment.u32(ConnectionLayout[other] + Side.source);
    try {
      [this.#producer, this.#consumer] = ringEnds(segment, side);
    } catch (error) {
      realm.reactor.remove(index);
      if (peer !== undefined) realm.releasePeer(peer);
      segment.close();
      throw error;
    }
    this.#consumer.borrow = limits.borrow;
    this.#growth = this.#makeGrowth();
    this.#sendQueue = new SendQueue(this.#producer, limits.sendQueueBytes);
    this.streams = this.#makeStreams(side);
    this.#dispatcher = new RecordDispatcher(
      this,
      realm.reactor,
      handler,
      limits.maxMessageBytes,
      this.#calls,
    );
    this.#outgoing = new OutgoingCalls(this.#callHost(), this.#calls);
    realm.reactor.attach(index, this);
    if (peer === undefined) this.#onPeerDied();
    else peer.onDeath.add(this.#onDeath);
  }

  /** The realm of this side. */
  get realm(): Realm {
    return this.#realm;
  }

  #callHost(): CallHost {
    return {
      name: this.name,
      reactor: this.#reactor,
      index: this.#index,
      mostBytes: mostOwed(this.#limits.sendQueueBytes),
      isOwnPeer: this.#peer?.id === this.#realm.id,
      isOpen: () => this.isOpen,
      checkSend: (payload) => this.#checkSend(payload),
      post: (header, payload) => void this.#post(header, payload, false),
      tell: (header) => this.#tell(header, undefined),
      withdraw: (id) => this.#sendQueue.withdraw(id),
      readAll: () => this.#readAll(),
      countTimeout: () => void this.statistics.timeouts++,
    };
  }

  #makeGrowth(): RingGrowth {
    const host = {
      realm: this.#realm,
      producer: this.#producer,
      consumer: this.#consumer,
      peer: this.#peer?.id,
      ring: () => this.#ringPeer(),
    };
    return new RingGrowth(host, this.#segment.u32(ConnectionLayout.grows) !== 0);
  }

  #makeStreams(side: "a" | "b"): Streams {
    const producer = this.#producer;
    return new Streams(
      {
        get pieceBytes() {
          return producer.capacity / STREAM_PIECES - RECORD_HEADER;
        },
        header: this.#header,
        isClear: () => this.#sendQueue.isEmpty,
        post: (header, payload) => this.#postStream(header, payload),
        writePiece: (id, bytes, from, to) => this.#writePiece(id, bytes, from, to),
        expect: () => {
          this.#reactor.expect();
          if (this.#state === "open") this.#reactor.heat(this.#index);
        },
        unexpect: this.#onSettled,
        pause: () => {
          const { yielder } = this.#reactor;
          return yielder.isDue() ? yielder.turn() : undefined;
        },
        encodeError: (error) => this.#handler.encodeError(error),
        decodeError: (payload) => this.#handler.decodeError(payload),
        heat: () => this.#reactor.heat(this.#index),
      },
      side === "a" ? 0 : 1,
      this.#limits.streamWindowBytes,
    );
  }

  /** Hasn't it ended? */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Is the peer there to read, or did it close or die, and only what it wrote is left to be read? */
  get isPeerThere(): boolean {
    return this.#state === "open" && !this.#died && !this.#peerClosed();
  }

  /** Index of its source, for blocking until it ends. */
  get index(): number {
    return this.#index;
  }

  /** Bytes that wait to be sent. */
  get queuedBytes(): number {
    return this.#sendQueue.queuedBytes;
  }

  /** Messages that wait to be sent. */
  get queuedMessages(): number {
    return this.#sendQueue.length;
  }

  /** Calls that wait for an answer. */
  get pendingCalls(): number {
    return this.#calls.waiting;
  }

  /** How often the ring was full. */
  get waits(): number {
    return this.#sendQueue.waits;
  }

  /**
   * Resolves when nothing waits to be sent, and timers and I/O had their turns; rejects when
   * the peer is gone.
   */
  get writable(): Promise<void> {
    if (this.#state !== "open") return Promise.reject(this.#goneError());
    if (this.#sendQueue.isEmpty) return this.#reactor.yielder.pause();
    if (this.#writable === undefined) {
      this.#writable = Promise.withResolvers();
      this.#reactor.ref();
    }
    return this.#writable.promise;
  }

  // ------------------------------------------------------------------ sending

  /** Sends a message; false if it waits for room. */
  send(method: number, payload: Uint8Array | undefined): boolean {
    this.#checkSend(payload);
    const header = this.#header.begin(RecordKind.message);
    header.method = method;
    return this.#post(header, payload, true);
  }

  /** Gives a method id its name; precedes its first use. */
  define(method: number, name: Uint8Array): void {
    this.#checkOpen();
    const header = this.#header.begin(RecordKind.define);
    header.method = method;
    this.#post(header, name, false);
  }

  /** Gives a function of the peer back that was received `count` times. */
  release(id: number, count: number): void {
    if (this.#state !== "open") return;
    const header = this.#header.begin(RecordKind.release);
    header.correlation = count;
    header.extra = id;
    this.#tell(header, undefined);
  }

  /**
   * Sends a request and returns its answer. `onUnread` is called if the peer never reads it:
   * then what it brings is this side's again.
   */
  request(
    method: number,
    payload: Uint8Array | undefined,
    options: CallOptions,
    flags = 0,
    onUnread?: () => void,
  ): Promise<Bytes | undefined> {
    return this.#outgoing.request(method, payload, options, flags, onUnread);
  }

  /**
   * Sends a request and blocks the thread until its answer is there. What arrives
   * meanwhile on this connection is handled, so the peer can call back.
   */
  requestSync(
    method: number,
    payload: Uint8Array | undefined,
    timeout: number,
    onUnread?: () => void,
  ): Bytes | undefined {
    return this.#outgoing.requestSync(method, payload, timeout, onUnread);
  }

  /** Answers a request. Used by {@linkcode IncomingCall}. */
  respond(correlation: number, payload: Uint8Array | undefined, flags: number): boolean {
    if (this.#state !== "open") return false;
    this.#dispatcher.answered(correlation);
    const size = totalBytes(payload);
    const { maxMessageBytes } = this.#limits;
    if (size > maxMessageBytes && isUsers(RecordKind.response, flags)) {
      const error = new MessageTooLargeError(size, maxMessageBytes, "the side that answers");
      this.#respond(correlation, this.#handler.encodeError(error), RecordFlag.error);
      return false;
    }
    this.#respond(correlation, payload, flags);
    return true;
  }

  /** A method ended whose caller had given up. Used by {@linkcode IncomingCall}. */
  endedLate(): void {
    this.#dispatcher.endedLate();
  }

  /** Handlers have ended that it waited for. Used by the dispatcher. */
  readOn(): void {
    if (this.#state === "open") this.#reactor.heat(this.#index);
  }

  #respond(correlation: number, payload: Uint8Array | undefined, flags: number): void {
    const header = this.#header.begin(RecordKind.response);
    header.flags = flags;
    header.correlation = correlation;
    this.#tell(header, payload);
  }

  /** Posts what no caller waits for: if it ends the connection, that is told in another way. */
  #tell(header: RecordHeader, payload: Uint8Array | undefined): void {
    try {
      this.#post(header, payload, false);
    } catch (error) {
      if (this.#state === "open") throw error;
    }
  }

  #post(header: RecordHeader, payload: Uint8Array | undefined, isRefusable: boolean): boolean {
    if (payload === undefined) header.flags |= RecordFlag.nothing;
    const bytes = totalBytes(payload);
    if (bytes > this.#producer.pieceBytes) this.#growth.want();
    let sent = false;
    try {
      if (this.#growth.isUnderWay && this.#sendQueue.isEmpty) this.#growth.step();
      sent = this.#sendQueue.post(header, payload, isRefusable, this.#handler.ownsPayloads);
      if (!sent) this.#checkOwed();
    } catch (error) {
      if (!(error instanceof CorruptSegmentError)) {
        this.statistics.overflows++;
        throw error;
      }
      this.#end("corrupt", error);
      throw this.#goneError();
    }
    if (header.kind <= RecordKind.message) {
      this.statistics.messagesSent++;
      this.statistics.bytesSent += bytes;
    }
    if (!sent) {
      this.#growth.want();
      this.#holdProcess(true);
      this.#reactor.heat(this.#index);
    }
    if (this.#producer.takeConsumerWaiting()) this.#ringPeer();
    return sent;
  }

  /** What was accepted and waits is sent before the process ends, as long as the peer is there. */
  #holdProcess(hold: boolean): void {
    if (this.#holds === hold) return;
    this.#holds = hold;
    if (hold) this.#reactor.ref();
    else this.#reactor.unref();
  }

  /** @throws {CorruptSegmentError} The peer asks and asks, and doesn't read what it is answered. */
  #checkOwed(): void {
    const limit = mostOwed(this.#limits.sendQueueBytes);
    if (this.#sendQueue.owed <= limit) return;
    throw new CorruptSegmentError(
      `more than ${limit} bytes of answers wait that the peer doesn't read (${MOST_OWED} times ` +
        "`sendQueueBytes`)",
    );
  }

  /** A record of a stream: its errors are the connection's end, which the stream is told. */
  #postStream(header: RecordHeader, payload: Uint8Array | undefined): boolean {
    if (this.#state !== "open") return true;
    if (header.kind === RecordKind.data) {
      checkPayload(payload, this.#limits.maxMessageBytes);
      this.statistics.bytesSent += payload!.length;
    }
    try {
      return this.#post(header, payload, false);
    } catch (error) {
      if (this.#state === "open") throw error;
      return true;
    }
  }

  /** Messages go first: they may wait for each other, streams can wait. */
  #writePiece(id: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.#sendQueue.isEmpty) return false;
    const header = this.#header.begin(RecordKind.data);
    header.correlation = id;
    if (this.#growth.isUnderWay) this.#growth.step();
    if (!this.#producer.write(header, bytes, from, to)) {
      this.#growth.want();
      return false;
    }
    this.statistics.bytesSent += to - from;
    if (this.#producer.takeConsumerWaiting()) this.#ringPeer();
    return true;
  }

  #ringPeer(): void {
    if (this.#peer !== undefined) this.#reactor.ring(this.#peer.segment, this.#peerSource);
  }

  #checkOpen(): void {
    if (this.#state !== "open") throw this.#goneError();
  }

  #checkSend(payload: Uint8Array | undefined): void {
    if (this.#state !== "open" || this.#died) throw this.#goneError();
    checkPayload(payload, this.#limits.maxMessageBytes);
  }

  #goneError(): Error {
    return this.#state === "closed"
      ? new ClosedError(`the connection on "${this.name}"`)
      : new PeerGoneError(this.name, this.#reason);
  }

  // ---------------------------------------------------------------- receiving

  /** See {@linkcode Source}. */
  poll(): Polled {
    if (this.#state !== "open") return Polled.nothing;
    try {
      const flushed = this.#isSending() ? this.#flush() : Polled.nothing;
      const received = this.#receive();
      this.#outgoing.poll();
      return received > flushed ? received : flushed;
    } catch (error) {
      // Garbage, or a callback that throws where none may: neither is another connection's fault.
      this.#end("corrupt", error);
      return Polled.resolved;
    }
  }

  /** Does something wait for room in the ring? */
  #isSending(): boolean {
    return this.#writable !== undefined || !this.#sendQueue.isEmpty || this.streams.isWaiting;
  }

  #flush(): Polled {
    if (this.#growth.isUnderWay) this.#growth.step();
    let wrote = this.#sendQueue.flush();
    if (wrote && this.#producer.takeConsumerWaiting()) this.#ringPeer();
    if (this.#sendQueue.isEmpty) this.#holdProcess(false);
    if (this.streams.isWaiting && this.#sendQueue.isEmpty) {
      const { pieces, finished } = this.streams.flush();
      if (finished) return Polled.resolved;
      wrote ||= pieces > 0;
    }
    // Half of the ring: whoever goes on sending then writes more than one message.
    if (this.#writable !== undefined && this.#sendQueue.isEmpty && this.#producer.isHalfFree()) {
      this.#settleWritable()!.resolve();
      return Polled.resolved;
    }
    return wrote ? Polled.done : Polled.nothing;
  }

  #settleWritable(): PromiseWithResolvers<void> | undefined {
    const writable = this.#writable;
    if (writable !== undefined) this.#reactor.unref();
    this.#writable = undefined;
    return writable;
  }

  /** Reads what is there, at most as much as garbage could keep this side busy with. */
  #readAll(): void {
    for (let polls = 0; polls < RECORDS_PER_POLL; polls++) {
      this.poll();
      if (this.#state !== "open" || !this.#consumer.hasMore()) return;
    }
  }

  #receive(): Polled {
    const consumer = this.#consumer;
    if (this.#isStalled()) return Polled.nothing;
    if (!consumer.next()) return this.#onDry();
    const { yielder } = this.#reactor;
    let result: Polled = Polled.done;
    let records = 0;
    do {
      this.#unread -= RECORD_HEADER + consumer.length;
      if (isOfRings(consumer.kind)) this.#growth.take(consumer.kind, consumer.correlation);
      else if (!this.#dispatcher.take(consumer)) result = Polled.resolved;
      if (this.#state !== "open") return Polled.resolved;
      // Handlers can take long, and there can be more and more for them to do.
      if (yielder.isDue()) {
        result = Polled.resolved;
        break;
      }
    } while (++records < RECORDS_PER_POLL && !this.#isStalled() && consumer.next());
    if (consumer.takeProducerWaiting()) this.#ringPeer();
    if (this.#unread < 0) this.#end("died");
    return result;
  }

  /** The ring is empty. */
  #onDry(): Polled {
    if (this.streams.deliver()) return Polled.resolved;
    if (this.#peerClosed()) return this.#endClosed();
    if (!this.#died) return Polled.nothing;
    this.#end("died");
    return Polled.resolved;
  }

  /**
   * Has the peer to wait before more of it is read, because it leaves its answers unread, or too
   * many handlers of its messages run? Not if this side waits for it as well: both could wait then.
   */
  #isStalled(): boolean {
    return (this.#sendQueue.owed > this.#limits.sendQueueBytes || this.#dispatcher.isBusy) &&
      this.#calls.waiting === 0 && !this.#died && !this.#peerClosed();
  }

  #peerClosed(): boolean {
    // ORDER: the peer wrote its last records before this word; a plain read could be done later
    // than the look at the ring that follows, and its last record would be missed.
    return Atomics.load(this.#segment.words, this.#peerState) !== SideState.open;
  }

  /** What the peer wrote before it closed was written before the state we saw. */
  #endClosed(): Polled {
    if (this.#consumer.hasMore()) return Polled.done;
    this.#end("closed");
    return Polled.resolved;
  }

  /** See {@linkcode Source}. */
  arm(): boolean {
    if (this.#state !== "open") return true;
    this.#consumer.release();
    if (this.#consumer.takeProducerWaiting()) this.#ringPeer();
    this.#consumer.setWaiting();
    if (this.#died) return false;
    if (this.#isSending()) {
      this.#producer.setWaiting();
      if (this.#canFlush()) return false;
    }
    if (this.#outgoing.canStart) return false;
    if (this.#isStalled()) return true;
    return !this.#consumer.hasMore() && !this.#peerClosed() && !this.streams.isDirty;
  }

  /** See {@linkcode Source}. */
  fail(error: unknown): void {
    this.#end("corrupt", error);
  }

  #canFlush(): boolean {
    try {
      if (!this.#sendQueue.isEmpty) return this.#sendQueue.canFlush();
      if (this.streams.isWaiting && this.#producer.hasRoomFor(this.streams.pieceBytes)) return true;
      return this.#writable !== undefined && this.#producer.isHalfFree();
    } catch {
      return true; // The poll that follows meets the same error and handles it.
    }
  }

  // ------------------------------------------------------------------- the end

  /** Resolves when all that waits to be sent is in the ring, or after `timeout` ms. */
  async drained(timeout: number): Promise<void> {
    if (this.#state !== "open" || this.#sendQueue.isEmpty) return;
    const over = Promise.withResolvers<void>();
    const timer = this.#reactor.startTimer(() => over.resolve(), timeout);
    this.#reactor.ref();
    await Promise.race([this.writable.catch(() => {}), over.promise]);
    this.#reactor.unref();
    this.#reactor.stopTimer(timer);
  }

  /** Closes this side: calls that wait are rejected, the peer is told. */
  close(): void {
    if (this.#state !== "open") return;
    this.#end("closed", undefined, true);
  }

  /**
   * Its death may be noticed before its last messages, and that it closed, are: they are read
   * first, at most as many as a ring holds. Garbage could go on for ever.
   */
  #onPeerDied(): void {
    if (this.#state !== "open") return;
    this.#died = true;
    this.#reason = "died";
    this.#unread = this.#growth.readable;
    this.#reactor.heat(this.#index);
  }

  #end(reason: GoneReason, cause?: unknown, byUs = false): void {
    if (this.#state !== "open") return;
    this.#state = byUs ? "closed" : "gone";
    this.#reason = reason;
    // ORDER: the peer reads the ring once more after it has seen this word.
    Atomics.store(this.#segment.words, this.#ownState, SideState.closed);
    if (reason !== "died") this.#guard(() => this.#ringPeer());
    this.statistics.dropped += this.#sendQueue.discard();
    this.#guard(() => this.#holdProcess(false));
    this.#guard(() => this.#reactor.remove(this.#index));
    this.#guard(() => this.#releasePeer());
    this.#guard(() => this.#segment.close());
    this.#guard(() => this.#growth.close());
    this.#rejectAll(this.#goneError());
    if (!byUs) this.#guard(() => this.#handler.onGone(reason, cause));
  }

  #releasePeer(): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    peer.onDeath.delete(this.#onDeath);
    this.#realm.releasePeer(peer);
  }

  #rejectAll(error: Error): void {
    this.#outgoing.end(error, (step) => this.#guard(step));
    this.#guard(() => {
      const writable = this.#settleWritable();
      writable?.promise.catch(() => {});
      writable?.reject(error);
    });
    this.#guard(() => this.streams.close(error));
    this.#guard(() => this.#dispatcher.abort(error));
  }

  /** Runs a step of the end: the others run, too, if it throws. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      try {
        this.#handler.onPeerError(error);
      } catch {
        // There is nobody left to tell.
      }
    }
  }
}
