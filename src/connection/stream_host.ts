/**
 * What the ends of a stream ask of the connection that they are on.
 *
 * @module
 */

import type { RecordHeader } from "../ring/record.ts";

/** Bytes that a reader lets its writer be ahead, unless it says otherwise. */
export const STREAM_WINDOW = 1 << 20;

/**
 * What a value costs beside its bytes, so that a window is also a limit of how
 * many small ones wait: about what an object takes in memory.
 */
export const ITEM_COST = 256;

/** An end of a stream, as the table of streams sees it. */
export interface StreamEnd {
  /** The connection is gone, or closed. */
  disconnected(error: Error): void;
}

/** A connection, as an end of a stream sees it. */
export interface StreamHost {
  /** The longest piece of a stream of bytes. */
  readonly pieceBytes: number;
  /** For the record that is posted next: begin it when its payload is there. */
  readonly header: RecordHeader;
  /** Sends a record, or queues it: true if all of it is in the ring. */
  post(header: RecordHeader, payload: Uint8Array | undefined): boolean;
  /** Puts `bytes[from, to)` into the ring; false if there is no room, or others come first. */
  writePiece(id: number, bytes: Uint8Array, from: number, to: number): boolean;
  /** Does nothing wait to be sent? */
  isClear(): boolean;
  /** Calls `end.step()` when there is room. */
  awaitRoom(end: WaitsForRoom): void;
  /** Calls `end.go()` when there is room, and none waits that has something to send. */
  awaitTurn(end: WaitsForTurn): void;
  /** Calls `end.deliver()` when nothing more lies in the ring. */
  awaitDry(end: HasBytes): void;
  /** The stream is over: its id means nothing any more. */
  forget(id: number): void;
  /** Somebody waits for the peer: stay awake and alive. */
  expect(): void;
  /** Takes {@linkcode StreamHost.expect} back. */
  unexpect(): void;
  /** For a read or a write that doesn't wait: a promise if the event loop is due to have its turn. */
  pause(): Promise<void> | undefined;
  /** The payload that describes an error to the peer. */
  encodeError(error: unknown): Uint8Array;
  /** The error that a payload describes. */
  decodeError(payload: Uint8Array<ArrayBuffer> | undefined): unknown;
}

/** An end that has something to send. */
export interface WaitsForRoom {
  /** Sends one piece. */
  step(): Step;
}

/** An end that could ask for something to send. */
export interface WaitsForTurn {
  /** Now. */
  go(): void;
}

/** What a step did. */
export const Step = {
  /** There was no room. */
  blocked: 0,
  /** A piece is in the ring, and there is more to send. */
  more: 1,
  /** There is nothing more to send now. */
  done: 2,
} as const;
/** A value of {@linkcode Step}. */
export type Step = (typeof Step)[keyof typeof Step];

/** An end that has bytes for a reader who waits. */
export interface HasBytes {
  /** Hands them over. */
  deliver(): void;
}
