/**
 * A connection's handler made of the functions that a user gives: raw bytes in,
 * raw bytes out. Channel, RPC server and RPC client all use it.
 *
 * @module
 */
import { decodeFailure, encodeFailure } from "../codec/failure.ts";
import { json } from "../codec/json.ts";
import { UnknownMethodError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import type { ConnectionHandler } from "./handler.ts";
import type { IncomingCall } from "./incoming.ts";
import { errorSink, peerErrorSink } from "./options.ts";
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

/** Makes the handler; `onGone` is told when the peer is gone. */
export function bytesHandler(
  options: BytesHandlers & OpenOptions,
  onGone: (reason: GoneReason, cause: unknown) => void,
): ConnectionHandler {
  const { onRequest, onMessage } = options;
  const onError = errorSink(options.onError);
  const encodeError = (error: unknown): Bytes =>
    encodeFailure(json, error, options.exposeStacks !== false);
  return {
    onRequest: (call, payload) => answer(call, payload, onRequest, encodeError),
    onMessage(_method, payload) {
      try {
        onMessage?.(payload);
      } catch (error) {
        onError(error);
      }
    },
    decodeError: (payload) => decodeFailure(json, payload),
    encodeError,
    onGone,
    onPeerError: peerErrorSink(options.onError),
  };
}

/** Runs a request handler; true if it answered before it returned. */
function answer(
  call: IncomingCall,
  payload: Bytes | undefined,
  onRequest: BytesHandlers["onRequest"],
  encodeError: (error: unknown) => Bytes,
): boolean {
  try {
    if (onRequest === undefined) {
      throw new UnknownMethodError("the other side has no `onRequest` handler");
    }
    const result = onRequest(payload, call);
    if (!isPromiseLike(result)) {
      call.reply(checkAnswer(result));
      return true;
    }
    Promise.resolve(result).then((value) => call.reply(checkAnswer(value)))
      .catch((error: unknown) => call.fail(encodeError(error)));
    return false;
  } catch (error) {
    call.fail(encodeError(error));
    return true;
  }
}

/** Also for promises of another realm, and of libraries. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function checkAnswer(value: Uint8Array | undefined | void): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`onRequest must return a Uint8Array or undefined, returned ${typeof value}`);
}
