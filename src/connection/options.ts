/**
 * Options that the patterns share, and their checks.
 *
 * @module
 */
import { ArgumentError, MessageTooLargeError } from "../errors.ts";
import { show } from "../options.ts";
import type { OptionsOf } from "../options.ts";
import { totalBytes } from "../codec/attachments.ts";
import { STREAM_WINDOW } from "./stream_host.ts";

/** Options of everything that is opened. */
export interface OpenOptions {
  /**
   * The runtime directory in which partners meet: an absolute path. Default:
   * `CAUSEWAY_DIR`, or a private one of the user.
   */
  directory?: string;
  /** Milliseconds that calls wait for an answer, unless they say otherwise. Default 30,000. */
  timeout?: number;
  /** Bytes that may wait to be sent. Default 16 MiB. One message alone may be larger. */
  sendQueueBytes?: number;
  /** The largest message, each way, in bytes. Default 1 GiB; at most 2 GiB - 1. */
  maxMessageBytes?: number;
  /**
   * How far the writer of a stream may be ahead of its reader here, in bytes; a value
   * counts 256 more than its own. Default 1 MiB.
   */
  streamWindowBytes?: number;
  /** Send the stacks of errors to the other side. Default true. */
  exposeStacks?: boolean;
  /**
   * Told of failures that nobody waits for: a handler, a callback or a one-way method
   * that throws or rejects, and what a peer does wrong (a one-way call of an unknown
   * method, a message over the limit, garbage). Default: the former are reported by
   * `console.error`, the latter are dropped. Neither ends the process.
   */
  onError?: (error: unknown) => void;
  /** Gives up opening when it is aborted. */
  signal?: AbortSignal;
}

/** The options of {@linkcode OpenOptions}. */
export const OPEN_OPTIONS: OptionsOf<OpenOptions> = {
  directory: true,
  timeout: true,
  sendQueueBytes: true,
  maxMessageBytes: true,
  streamWindowBytes: true,
  exposeStacks: true,
  onError: true,
  signal: true,
};

/** Limits of one side of a connection. */
export interface ConnectionLimits {
  /** Bytes that may wait to be sent. */
  readonly sendQueueBytes: number;
  /** The largest message, each way. */
  readonly maxMessageBytes: number;
  /** Give large one-way messages in place, valid until the handler returns. */
  readonly borrow: boolean;
  /** How far the writer of a stream may be ahead of its reader. */
  readonly streamWindowBytes: number;
}

const DEFAULT_SEND_QUEUE = 16 << 20;
const DEFAULT_MAX_MESSAGE = 1 << 30;
const MAX_MESSAGE = 0x7fff_ffff;

/** The limits of a connection from a user's options. */
export function limitsOf(options: OpenOptions, borrow = false): ConnectionLimits {
  return {
    sendQueueBytes: checkBytes("sendQueueBytes", options.sendQueueBytes, DEFAULT_SEND_QUEUE),
    maxMessageBytes: checkBytes("maxMessageBytes", options.maxMessageBytes, DEFAULT_MAX_MESSAGE),
    borrow,
    streamWindowBytes: checkWindow(options.streamWindowBytes),
  };
}

function checkBytes(option: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && value >= 0 && value <= MAX_MESSAGE) return value;
  throw new ArgumentError(
    `${option} is a whole number from 0 to ${MAX_MESSAGE}, got ${show(value)}`,
  );
}

function checkWindow(value: number | undefined): number {
  const bytes = checkBytes("streamWindowBytes", value, STREAM_WINDOW);
  if (bytes > 0) return bytes;
  throw new ArgumentError("streamWindowBytes is at least 1: with 0 no stream could begin");
}

/** Checks a payload that a user gives. */
export function checkPayload(payload: Uint8Array | undefined, maxMessageBytes: number): void {
  if (payload === undefined) return;
  if (!(payload instanceof Uint8Array)) {
    throw new ArgumentError(
      `a payload is a Uint8Array or undefined, got ${typeof payload}: encode it first`,
    );
  }
  const size = totalBytes(payload);
  if (size > maxMessageBytes) throw new MessageTooLargeError(size, maxMessageBytes, "this side");
}
