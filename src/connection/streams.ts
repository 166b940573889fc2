/**
 * The streams of a connection: ids, what arrives for which, who waits for room.
 *
 * Whoever offers a stream gives it an id, side a even ones and side b odd ones, and
 * tells it in a request or an answer. It may offer a reading end, or a writing one.
 * An id means nothing any more after the end of its data, and isn't used again
 * before 2^31 others were. `docs/protocol.md` has the rules.
 *
 * @module
 */
import { show } from "../options.ts";
import { CodecError, CorruptSegmentError, LimitError } from "../errors.ts";
import { RecordFlag, RecordKind } from "../ring/record.ts";
import type { RecordFields } from "../ring/record.ts";
import { MAX_STREAMS } from "./limits.ts";
import { Step } from "./stream_host.ts";
import type { HasBytes, StreamHost, WaitsForRoom, WaitsForTurn } from "./stream_host.ts";
import { StreamReceiver } from "./stream_receiver.ts";
import { StreamSender } from "./stream_sender.ts";

/** Streams that ask their source at a time, where all of them had to wait for room. */
const TURNS = 64;

/** Makes a value of the data of a stream. */
export type DecodeValue = (payload: Uint8Array<ArrayBuffer>) => unknown;

/** What a connection does for its streams; the rest they do themselves. */
export type Wire = Omit<StreamHost, "awaitRoom" | "awaitTurn" | "awaitDry" | "forget"> & {
  /** There is something to do in the next poll. */
  heat(): void;
};

/** See the module. */
export class Streams implements StreamHost {
  readonly #wire: Wire;
  readonly header: StreamHost["header"];
  readonly isClear: StreamHost["isClear"];
  readonly post: StreamHost["post"];
  readonly writePiece: StreamHost["writePiece"];
  readonly expect: StreamHost["expect"];
  readonly unexpect: StreamHost["unexpect"];
  readonly pause: StreamHost["pause"];
  readonly encodeError: StreamHost["encodeError"];
  readonly decodeError: StreamHost["decodeError"];
  readonly #window: number;
  readonly #heat: () => void;
  readonly #open = new Map<number, StreamSender | StreamReceiver>();
  readonly #parity: number;
  #next: number;
  #decode: DecodeValue | undefined;
  #waiting: WaitsForRoom[] = [];
  #asking: WaitsForTurn[] = [];
  #isFlushing = false;
  #dirty: HasBytes[] = [];
  #over: Error | undefined;

  /** `parity`: 0 for side a, 1 for side b. */
  constructor(wire: Wire, parity: 0 | 1, window: number) {
    this.#wire = wire;
    this.header = wire.header;
    this.isClear = wire.isClear;
    this.post = wire.post;
    this.writePiece = wire.writePiece;
    this.expect = wire.expect;
    this.unexpect = wire.unexpect;
    this.pause = wire.pause;
    this.encodeError = wire.encodeError;
    this.decodeError = wire.decodeError;
    this.#heat = wire.heat;
    this.#parity = parity;
    this.#next = parity;
    this.#window = window;
  }

  /** See {@linkcode StreamHost}. */
  get pieceBytes(): number {
    return this.#wire.pieceBytes;
  }

  /** Decides what values of streams are; without it there are bytes only. */
  decodeWith(decode: DecodeValue): void {
    this.#decode = decode;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  // -------------------------------------------------------------------- offers

  /** A stream of ours that the peer may read. */
  offerReading(exact: boolean): StreamSender {
    const sender = new StreamSender(this, this.#newId(), exact, false);
    return this.#add(sender);
  }

  /** A stream of ours that the peer may write; its credit goes with the reference. */
  offerWriting(): StreamReceiver {
    return this.#add(new StreamReceiver(this, this.#newId(), false, true, this.#window));
  }

  /** The peer's stream of that id, to read. */
  read(id: unknown, exact: boolean): StreamReceiver {
    const peers = this.#checkedId(id);
    return this.#add(new StreamReceiver(this, peers, exact, false, this.#window));
  }

  /** The peer's stream of that id, to write. */
  write(id: unknown): StreamSender {
    return this.#add(new StreamSender(this, this.#checkedId(id), false, true));
  }

  #newId(): number {
    do {
      this.#next = (this.#next + 2) >>> 0;
    } while (this.#open.has(this.#next));
    return this.#next;
  }

  #checkedId(id: unknown): number {
    if (typeof id !== "number" || id >>> 0 !== id || (id & 1) === this.#parity) {
      throw new CodecError(`${show(id)} is no id of a stream of the other side`);
    }
    if (this.#open.has(id)) throw new CodecError(`the stream ${id} was given already`);
    return id;
  }

  #add<End extends StreamSender | StreamReceiver>(end: End): End {
    if (this.#over !== undefined) throw this.#over;
    if (this.#open.size >= MAX_STREAMS) {
      throw new LimitError(
        `${MAX_STREAMS} streams are open on this connection, the most there can be: ` +
          "read or cancel some before making more",
      );
    }
    this.#open.set(end.id, end);
    return end;
  }

  /** See {@linkcode StreamHost}. */
  forget(id: number): void {
    this.#open.delete(id);
  }

  // ------------------------------------------------------------------ arriving

  /** Bytes of a stream, which may be in the ring. True if no promise goes on. */
  onBytes(id: number, bytes: Uint8Array): boolean {
    return this.#receiver(id).onBytes(bytes);
  }

  /** A value of a stream. True if no promise goes on. */
  onValue(id: number, payload: Uint8Array<ArrayBuffer>): boolean {
    const receiver = this.#receiver(id);
    receiver.chargeValue(payload.length);
    if (receiver.isOver && this.#decode === undefined) return true;
    try {
      if (this.#decode === undefined) throw new CodecError("a value on a stream of bytes");
      // Also if nobody wants it: what it refers to has to be given back.
      return receiver.onValue(this.#decode(payload), payload.length);
    } catch (error) {
      receiver.abort(error);
      return false;
    }
  }

  /** Data that is larger than this side takes. */
  refuse(id: number, error: Error): void {
    this.#receiver(id).abort(error);
  }

  #receiver(id: number): StreamReceiver {
    const end = this.#open.get(id);
    if (end instanceof StreamReceiver) return end;
    throw new CorruptSegmentError(
      end === undefined
        ? `data on the stream ${id}, which isn't there`
        : `data on the stream ${id}, which this side writes`,
    );
  }

  /** Everything but data. True if no promise goes on. */
  onControl(record: RecordFields, payload: Uint8Array<ArrayBuffer> | undefined): boolean {
    const { kind, flags, correlation: id, extra } = record;
    const end = this.#open.get(id);
    if (end === undefined) {
      this.#checkGone(kind, id);
      return true;
    }
    if (kind === RecordKind.end) {
      if (end instanceof StreamSender) throw wrongWay("end", id);
      end.onEnd(flags, payload);
      return false;
    }
    if (end instanceof StreamReceiver) throw wrongWay("credit or stop", id);
    if (kind === RecordKind.credit) return end.onCredit(extra);
    end.stopped(flags, payload);
    return false;
  }

  /** A credit or a stop may cross with our end; the end of what we never took may come as well. */
  #checkGone(kind: number, id: number): void {
    const isOurs = (id & 1) === this.#parity;
    if (!isOurs || kind !== RecordKind.end && id <= this.#next) return;
    throw new CorruptSegmentError(`a record of the stream ${id}, which was never there`);
  }

  // -------------------------------------------------------------------- waiting

  /** Does one of them wait for room in the ring? */
  get isWaiting(): boolean {
    return this.#waiting.length > 0 || this.#asking.length > 0;
  }

  /** Does one of them have bytes for a reader who waits? */
  get isDirty(): boolean {
    return this.#dirty.length > 0;
  }

  /** See {@linkcode StreamHost}. */
  awaitRoom(end: WaitsForRoom): void {
    this.#waiting.push(end);
    this.#heat();
  }

  /** See {@linkcode StreamHost}. */
  awaitTurn(end: WaitsForTurn): void {
    this.#asking.push(end);
    this.#heat();
  }

  /** See {@linkcode StreamHost}. */
  awaitDry(end: HasBytes): void {
    this.#dirty.push(end);
  }

  /** Sends a piece of each in turn, while there is room. Says how many, and if promises go on. */
  flush(): { pieces: number; finished: boolean } {
    // A value that is encoded can run code of the user, and that can block and so come here.
    if (this.#isFlushing) return { pieces: 0, finished: false };
    this.#isFlushing = true;
    try {
      const { pieces, finished } = this.#sendPieces();
      return { pieces, finished: this.#giveTurns() || finished };
    } finally {
      this.#isFlushing = false;
    }
  }

  /**
   * Lets some ask their source for more. Not all: each that doesn't find room then has a chunk
   * in hand, and keeps it until there is some.
   */
  #giveTurns(): boolean {
    if (this.#asking.length === 0 || this.#waiting.length > 0 || !this.isClear()) return false;
    for (const end of this.#asking.splice(0, TURNS)) end.go();
    return true;
  }

  #sendPieces(): { pieces: number; finished: boolean } {
    const waiting = this.#waiting;
    let pieces = 0;
    let finished = false;
    for (let at = 0; waiting.length > 0;) {
      if (at >= waiting.length) at = 0;
      const step = waiting[at]!.step();
      if (step === Step.blocked) {
        // The next time it goes on here, so that each has its turn.
        if (at > 0) waiting.push(...waiting.splice(0, at));
        break;
      }
      pieces++;
      if (step === Step.more) {
        at++;
      } else {
        waiting.splice(at, 1);
        finished = true;
      }
    }
    return { pieces, finished };
  }

  /** The ring is empty: readers get what there is. True if there were any. */
  deliver(): boolean {
    const dirty = this.#dirty;
    if (dirty.length === 0) return false;
    this.#dirty = [];
    for (const end of dirty) end.deliver();
    return true;
  }

  /** The connection is gone, or closed. */
  close(error: Error): void {
    this.#over = error;
    this.#waiting = [];
    this.#asking = [];
    this.#dirty = [];
    for (const end of [...this.#open.values()]) end.disconnected(error);
    this.#open.clear();
  }
}

function wrongWay(what: string, id: number): CorruptSegmentError {
  return new CorruptSegmentError(`${what} for the wrong end of the stream ${id}`);
}

/** Is it data of a stream, and bytes? */
export function isStreamBytes(kind: number, flags: number): boolean {
  return kind === RecordKind.data &&
    (flags & (RecordFlag.value | RecordFlag.more | RecordFlag.nothing)) === 0;
}
