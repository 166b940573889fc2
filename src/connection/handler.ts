/**
 * What a pattern gives to a connection, and what it asks of it.
 *
 * @module
 */
import type { GoneReason } from "../errors.ts";
import type { AsyncScope } from "../platform/binding.ts";
import type { IncomingCall } from "./incoming.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a pattern does with what arrives. */
export interface ConnectionHandler {
  /** The context in which it handles requests and messages: that in which it was registered. */
  readonly scope?: AsyncScope | undefined;
  /** Doesn't anything write to the payloads that it sends, so that they needn't be copied to wait? */
  readonly ownsPayloads: boolean;
  /** A request. Returns true if it was answered before this returns. */
  onRequest(call: IncomingCall, payload: Bytes | undefined): boolean;
  /** A message without answer. If its handler goes on, returns a promise that resolves at its end. */
  onMessage(method: number, payload: Bytes | undefined): Promise<unknown> | undefined;
  /** The peer gives a method id its name. */
  onDefine?(method: number, name: Bytes): void;
  /** The peer gives a function of ours back that it received `count` times. */
  onRelease?(id: number, count: number): void;
  /** Makes what the caller gets of an answer that brings references; otherwise it gets the payload. */
  onStreamAnswer?: (payload: Bytes | undefined) => unknown;
  /** An answer came that brings references, and its call was given up. */
  onUnwanted?(payload: Bytes | undefined): void;
  /** The error that an error answer describes. */
  decodeError(payload: Bytes | undefined): unknown;
  /** The payload that describes an error to the peer. */
  encodeError(error: unknown): Bytes;
  /** The peer is gone; what waited was rejected before (of very many calls, the last soon after). */
  onGone(reason: GoneReason, cause: unknown): void;
  /** The peer did something wrong and doesn't wait to hear of it. */
  onPeerError(error: unknown): void;
}

/** How to make a call. */
export interface CallOptions {
  /** Milliseconds to wait for the answer; `Infinity` waits for ever. */
  readonly timeout: number;
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined;
}
