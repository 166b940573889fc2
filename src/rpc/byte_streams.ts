/**
 * Streams of bytes as whole requests and answers, for {@linkcode RpcServer} and
 * {@linkcode RpcClient}. What stands for one is its id, four bytes.
 *
 * @module
 */
import type { ByteStreams } from "../connection/bytes_handler.ts";
import type { Connection } from "../connection/connection.ts";
import type { IncomingCall } from "../connection/incoming.ts";
import type { StreamReceiver } from "../connection/stream_receiver.ts";
import type { StreamSender } from "../connection/stream_sender.ts";
import { ArgumentError, CodecError } from "../errors.ts";
import { bindCall } from "./call_streams.ts";
import { runCall } from "./context.ts";
import { pump, readableOf } from "./stream_ends.ts";
import { isAsyncIterable, iteratorSource, sourceOf } from "./stream_references.ts";
import type { RunSource } from "./stream_references.ts";

/** A stream of bytes, as it is sent. */
export type BytesSource = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** A stream that arrived instead of bytes. */
export class IncomingStream {
  readonly stream: ReadableStream<Uint8Array>;
  readonly end: StreamReceiver;

  constructor(end: StreamReceiver) {
    this.end = end;
    this.stream = readableOf(end, true);
  }
}

/** The streams of one connection. */
export class ConnectionByteStreams implements ByteStreams {
  #connection: Connection | undefined;

  /** The connection that they cross, made after it. */
  use(connection: Connection): void {
    this.#connection = connection;
  }

  /** See {@linkcode ByteStreams}. */
  accept(payload: Uint8Array | undefined): IncomingStream {
    if (payload?.length !== 4) throw new CodecError("a reference to a stream has 4 bytes");
    const id = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
    return new IncomingStream(this.#connection!.streams.read(id, false));
  }

  /** See {@linkcode ByteStreams}. */
  offerAnswer(value: unknown, call: IncomingCall): Uint8Array | undefined {
    if (!isBytesSource(value)) return undefined;
    const { payload, sender } = this.offer(value, (task) => runCall(call, task));
    bindCall([sender], call);
    return payload;
  }

  /** Offers a stream to the peer: what stands for it, and the end that sends it. */
  offer(
    source: BytesSource,
    run: RunSource = (task) => task(),
  ): { payload: Uint8Array; sender: StreamSender } {
    if (source instanceof ReadableStream && source.locked) {
      throw new ArgumentError(
        "this ReadableStream is locked: it is being read by somebody already",
      );
    }
    const sender = this.#connection!.streams.offerReading(false);
    const from = source instanceof ReadableStream ? sourceOf(source) : iteratorSource(source, run);
    void pump(sender, from, onlyBytes);
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, sender.id, true);
    return { payload, sender };
  }
}

/** Is it a stream, or something that `for await` goes through? */
export function isBytesSource(value: unknown): value is BytesSource {
  return typeof value === "object" && value !== null && isAsyncIterable(value);
}

function onlyBytes(value: unknown): never {
  throw new CodecError(`a stream of bytes carries Uint8Array only, got ${typeof value}`);
}
