/**
 * A codec turns values into bytes and back.
 *
 * @module
 */

import { ArgumentError } from "../errors.ts";
import { show } from "../options.ts";

/**
 * A type of objects that cross by reference: what is in the message only stands for
 * them. Streams are such types.
 */
export interface ReferenceType {
  /** What it is called in a message, different for each type: a whole number from 0 to 127. */
  readonly tag: number;
  /** Is the object of this type? */
  matches(value: object): boolean;
  /** What stands for the object: a value that the codec carries. */
  exportObject(value: object): unknown;
  /** What the other side gets for it. */
  importObject(reference: unknown): unknown;
}

/** Large bytes of a value that travel behind its message, each by itself. */
export interface AttachmentTable {
  /** Takes bytes along and returns their index; `undefined`: they stay within the message. */
  add(bytes: Uint8Array): number | undefined;
  /**
   * The bytes of that index, in memory of their own; once.
   *
   * @throws {CodecError} There are none, or they were taken.
   */
  take(index: number): Uint8Array<ArrayBuffer>;
}

/** How functions and other references inside of values cross: a codec that can't carry them throws. */
export interface FunctionTable {
  /** An id for a function of ours, under which the peer can call it. */
  exportFunction(value: (...args: never[]) => unknown): number;
  /** A function that calls the peer's function with that id. */
  importFunction(id: number): (...args: unknown[]) => Promise<unknown>;
  /** The types of objects that cross by reference; the first that matches is taken. */
  readonly references?: readonly ReferenceType[];
  /** What takes large bytes along, if something does. */
  readonly attachments?: AttachmentTable | undefined;
  /** Do errors among values have their stacks with them? Default: no. */
  readonly exposeStacks?: boolean;
}

/** Is it a web stream, or something that `for await` goes through? No codec can copy that. */
export function isStream(value: object): boolean {
  return Symbol.asyncIterator in value || value instanceof WritableStream ||
    value instanceof ReadableStream;
}

/**
 * Turns values into bytes and back. {@linkcode messagePack}, {@linkcode json} and
 * {@linkcode bytes} are there; one of your own needs a name, `encode` and `decode`.
 *
 * @example
 * ```ts
 * import type { Codec } from "@causeway/ipc";
 *
 * const reversed: Codec = {
 *   name: "reversed-json",
 *   encode: (value) => new TextEncoder().encode([...JSON.stringify(value)].reverse().join("")),
 *   decode: (bytes) => JSON.parse([...new TextDecoder().decode(bytes)].reverse().join("")),
 * };
 * ```
 */
export interface Codec {
  /** Both sides must use the same one: its name is compared when they connect. */
  readonly name: string;
  /** Throws {@linkcode CodecError} for a value that it can't carry. */
  encode(value: unknown, functions?: FunctionTable): Uint8Array;
  /**
   * Throws {@linkcode CodecError} for bytes that it can't read. Messages share memory: what
   * it hands out of `bytes` is a copy, or its `buffer` shows other messages of the same peer.
   */
  decode(bytes: Uint8Array, functions?: FunctionTable): unknown;
  /**
   * What memory `encode` returns: `"fresh"` if nothing writes to it again, `"value"` if it is
   * the value's own. It saves copies of messages that wait. Default: it may be used again by
   * the next `encode`.
   */
  readonly output?: "fresh" | "value";
  /**
   * False: it doesn't look at `functions`, so that functions, streams and shared memory can't
   * be in its values. Default: it may.
   */
  readonly carriesReferences?: boolean;
  /**
   * True: its values can be errors, which arrive as errors, with the stack if
   * `functions.exposeStacks` is set. Default: what is thrown is described by an object.
   */
  readonly carriesErrors?: boolean;
}

/** Checks a codec given by a user. */
export function checkCodec(codec: Codec): Codec {
  const { name, encode, decode, output } = (codec ?? {}) as Partial<Codec>;
  if (typeof name === "string" && typeof encode === "function" && typeof decode === "function") {
    if (output === undefined || output === "fresh" || output === "value") return codec;
    throw new ArgumentError(
      `\`output\` of a codec is "fresh", "value" or left out, got ${show(output)}`,
    );
  }
  throw new ArgumentError(
    "`codec` is an object with a name, encode and decode: use messagePack or json of this package, " +
      `or one of your own, got ${show(codec)}`,
  );
}
