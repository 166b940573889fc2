/**
 * Options of both ends of a pipe, and what they say of its memory.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { checkCodec } from "../codec/codec.ts";
import { isFixedCodec } from "../codec/typed_codec.ts";
import type { FixedCodec } from "../codec/typed_codec.ts";
import { checkFlag, checkOptions, checkTimeout, show } from "../options.ts";
import { ArgumentError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";

/** Options of {@linkcode Sender.open} and {@linkcode Receiver.open}. */
export interface PipeOptions {
  /**
   * The runtime directory in which the two meet: an absolute path. Default:
   * `CAUSEWAY_DIR`, or a private one of the user.
   */
  directory?: string;
  /**
   * Messages that can wait, rounded up to a power of two. Default 1024, or what the
   * other side chose.
   */
  capacity?: number;
  /**
   * The most bytes of a message, for codecs whose messages differ in size. Default
   * 1024, or what the other side chose.
   */
  messageBytes?: number;
  /** The pipe stays when no process uses it, also when it is empty. Default false. */
  durable?: boolean;
  /** Milliseconds that calls wait, unless they say otherwise. Default: for ever. */
  timeout?: number;
  /** Gives up opening. */
  signal?: AbortSignal;
  /** The other side is there, or was for a moment: each visit is told, quick ones as one. */
  onConnect?: () => void;
  /** The other side is gone. What it sent, or hasn't received, stays in the pipe. */
  onDisconnect?: (reason: GoneReason) => void;
  /**
   * Told of failures that no caller waits for. Default: what a handler throws or rejects
   * with is reported by `console.error`; what the other side does wrong is dropped.
   */
  onError?: (error: unknown) => void;
}

/** The names of all options; held against the interface by the compiler. */
export const PIPE_OPTIONS: Record<keyof PipeOptions, true> = {
  directory: true,
  capacity: true,
  messageBytes: true,
  durable: true,
  timeout: true,
  signal: true,
  onConnect: true,
  onDisconnect: true,
  onError: true,
};

const DEFAULT_CAPACITY = 1024;
const DEFAULT_MESSAGE_BYTES = 1024;
/** The most bytes of all slots together. */
const MAX_BYTES = 1 << 30;

/** What a pipe's memory is like. */
export interface Shape {
  readonly codec: Codec;
  /** The codec, if its messages all have the same size. */
  readonly fixed: FixedCodec<unknown> | undefined;
  /** What was asked for; `undefined`: whatever is there. */
  readonly capacity: number | undefined;
  readonly defaultCapacity: number;
  readonly asked: { readonly messageBytes: number | undefined };
  /** Of a new pipe. */
  readonly messageBytes: number;
  readonly stride: number;
}

/** Checks what a user gives, and says what follows for the memory. */
export function shapeOf(options: PipeOptions, codec: Codec): Shape {
  checkTimeout(options.timeout);
  checkFlag("durable", options.durable);
  checkCodec(codec);
  const fixed = isFixedCodec(codec) ? codec : undefined;
  const { messageBytes: asked } = options;
  if (asked !== undefined) checkWhole("messageBytes", asked);
  if (fixed !== undefined && asked !== undefined && asked !== fixed.size) {
    throw new ArgumentError(
      `messageBytes is ${asked}, but all messages of the codec ${codec.name} have ${fixed.size} bytes: leave it out`,
    );
  }
  const messageBytes = fixed?.size ?? asked ?? DEFAULT_MESSAGE_BYTES;
  const stride = strideOf(messageBytes, fixed !== undefined);
  const capacity = options.capacity === undefined
    ? undefined
    : roundUp(checkWhole("capacity", options.capacity));
  const fits = Math.floor(MAX_BYTES / stride);
  if (capacity !== undefined && capacity > fits) {
    throw new ArgumentError(
      `a capacity of ${capacity} messages of ${stride} bytes is over the limit of ${MAX_BYTES} bytes`,
    );
  }
  const defaultCapacity = Math.min(DEFAULT_CAPACITY, 2 ** Math.floor(Math.log2(fits)));
  return {
    codec,
    fixed,
    capacity,
    defaultCapacity,
    asked: { messageBytes: asked },
    messageBytes,
    stride,
  };
}

/** Bytes from one slot to the next: structs lie as in an array, others have their length before. */
export function strideOf(messageBytes: number, fixed: boolean): number {
  return fixed ? messageBytes : Math.ceil((messageBytes + LENGTH_BYTES) / 8) * 8;
}

/** The length before a message, where they differ. */
export const LENGTH_BYTES = 4;

function roundUp(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(capacity));
}

function checkWhole(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= MAX_BYTES - 8) return value;
  throw new ArgumentError(
    `${option} is a whole number from 1 to ${MAX_BYTES - 8}, got ${show(value)}`,
  );
}

/** Checks the options of throwing a pipe away. */
export function checkRemoveOptions(options: { directory?: string }): void {
  checkOptions(options, ["directory"]);
}

/** Refuses a promise where what a user's function does must be over when it returns. */
export function refusePromise(result: unknown, message: string): void {
  if (typeof result !== "object" || result === null) return;
  if (typeof (result as { then?: unknown }).then !== "function") return;
  // How it ends doesn't matter any more.
  Promise.resolve(result).catch(() => {});
  throw new ArgumentError(message);
}

/** Checks the messages that a user wants to send at once. */
export function checkList(values: readonly unknown[]): void {
  if (Array.isArray(values)) return;
  throw new ArgumentError(`the messages to be sent are an array, got ${show(values)}`);
}

/** Checks what a user gives to fill, or to read, structs. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new ArgumentError(`\`${name}\` is a function, got ${show(value)}`);
}

/** Checks how many messages a user wants to send or receive at once. */
export function checkCount(count: number, least = 0): number {
  if (Number.isInteger(count) && count >= least) return count;
  throw new ArgumentError(
    `a number of messages is a whole number from ${least}, got ${show(count)}`,
  );
}
