/**
 * A connection's handler made of the functions that a user gives: raw bytes in,
 * raw bytes out. Channel, RPC server and RPC client all use it.
 *
 * @module
 */
import { decodeFailure, encodeFailure } from "../codec/failure.ts";
import { json } from "../codec/json.ts";
import { CodecError, UnknownMethodError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import { RecordFlag } from "../ring/record.ts";
import type { ConnectionHandler } from "./handler.ts";
import type { IncomingCall } from "./incoming.ts";
import { guardedResult, isPromiseLike } from "../failures.ts";
import type { Handle } from "../wake/handle.ts";
import type { OpenOptions } from "./options.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a request handler may answer: bytes, or that there is nothing; now or later. */
export type Answer = Uint8Array | undefined | void | Promise<Uint8Array | undefined | void>;

/** What a handler is told of the call that it answers. */
export interface CallContext {
  /** Aborted when the caller gives up, times out, or is gone. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, in ms of `performance.now()`; `Infinity`: never. */
  readonly deadline: number;
}

/** Handlers of raw bytes. `payload` undefined: there was no message, not an empty one. */
export interface BytesHandlers {
  /** Answers a request. Throwing, or rejecting, answers with that error. */
  onRequest?: (payload: Uint8Array | undefined, context: CallContext) => Answer;
  /** Takes a message that has no answer. */
  onMessage?: (payload: Uint8Array | undefined) => void;
}

/** How streams are requests and answers, where they can be. */
export interface ByteStreams {
  /** The stream that a payload stands for. */
  accept(payload: Bytes | undefined): { readonly stream: ReadableStream<Uint8Array> };
  /** What stands for a stream that a handler answers with; undefined if it is no stream. */
  offerAnswer(value: unknown, call: IncomingCall): Uint8Array | undefined;
}

/** The handlers where streams can be requests and answers, too. */
export interface AnyHandlers {
  onRequest?: ((payload: Uint8Array | undefined, context: CallContext) => unknown) | undefined;
  onStream?:
    | ((stream: ReadableStream<Uint8Array>, context: CallContext) => unknown)
    | undefined;
  onMessage?: ((payload: Uint8Array | undefined) => void) | undefined;
}

/** Are there callbacks, whose context is to be kept? */
export function hasCallbacks(options: object): boolean {
  return Object.entries(options).some(([key, value]) =>
    /^on[A-Z]/.test(key) && value !== undefined
  );
}

/** Makes the handler; failures are reported by `handle`, `onGone` is told when the peer is gone. */
export function bytesHandler(
  handle: Handle,
  options: AnyHandlers & OpenOptions,
  onGone: (reason: GoneReason, cause: unknown) => void,
  streams?: ByteStreams,
): ConnectionHandler {
  const { onMessage } = options;
  const { report: onFailure, reportPeer: onPeerError, scope } = handle;
  const encodeError = (error: unknown): Bytes =>
    encodeFailure(json, error, options.exposeStacks !== false);
  return {
    scope,
    ownsPayloads: false, // they are the user's
    onRequest: (call, payload) => answer(call, payload, options, streams, encodeError),
    onStreamAnswer: (payload) => accept(streams, payload),
    onUnwanted(payload) {
      try {
        accept(streams, payload).stream.cancel().catch(() => {});
      } catch (error) {
        onPeerError(error);
      }
    },
    onMessage(_method, payload) {
      try {
        return guardedResult(onMessage?.(payload), onFailure, "onMessage");
      } catch (error) {
        onFailure(error, "onMessage");
        return undefined;
      }
    },
    decodeError: (payload) => decodeFailure(json, payload),
    encodeError,
    onGone,
    onPeerError,
  };
}

/** Runs a request handler; true if it answered before it returned. */
function answer(
  call: IncomingCall,
  payload: Bytes | undefined,
  handlers: AnyHandlers,
  streams: ByteStreams | undefined,
  encodeError: (error: unknown) => Bytes,
): boolean {
  try {
    const result = (call.flags & RecordFlag.references) === 0
      ? take(handlers.onRequest, "onRequest")(payload, call)
      : take(handlers.onStream, "onStream")(accept(streams, payload).stream, call);
    if (!isPromiseLike(result)) {
      reply(call, result, streams);
      return true;
    }
    Promise.resolve(result).then((value) => reply(call, value, streams))
      .catch((error: unknown) => call.fail(encodeError(error)));
    return false;
  } catch (error) {
    call.fail(encodeError(error));
    return true;
  }
}

function take<Handler>(handler: Handler | undefined, name: string): Handler {
  if (handler !== undefined) return handler;
  throw new UnknownMethodError(`the other side has no \`${name}\` handler`);
}

function accept(
  streams: ByteStreams | undefined,
  payload: Bytes | undefined,
): { readonly stream: ReadableStream<Uint8Array> } {
  if (streams !== undefined) return streams.accept(payload);
  throw new CodecError("a stream arrived where there can't be any");
}

function reply(call: IncomingCall, value: unknown, streams: ByteStreams | undefined): void {
  if (value === undefined || value instanceof Uint8Array) {
    call.reply(value);
    return;
  }
  const reference = streams?.offerAnswer(value, call);
  if (reference !== undefined) call.reply(reference, RecordFlag.references);
  else throwNoAnswer(value);
}

function throwNoAnswer(value: unknown): never {
  throw new TypeError(`onRequest must return a Uint8Array or undefined, returned ${typeof value}`);
}
