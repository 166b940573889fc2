/**
 * A codec turns values into bytes and back.
 *
 * @module
 */

import { ArgumentError } from "../errors.ts";

/** How functions inside of values cross: a codec that can't carry them throws. */
export interface FunctionTable {
  /** An id for a function of ours, under which the peer can call it. */
  exportFunction(value: (...args: never[]) => unknown): number;
  /** A function that calls the peer's function with that id. */
  importFunction(id: number): (...args: unknown[]) => Promise<unknown>;
}

/**
 * Turns values into bytes and back. {@linkcode messagePack}, {@linkcode json} and
 * {@linkcode bytes} are there; one of your own needs these three members.
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
  /** Throws {@linkcode CodecError} for bytes that it can't read. */
  decode(bytes: Uint8Array, functions?: FunctionTable): unknown;
}

/** Checks a codec given by a user. */
export function checkCodec(codec: Codec): Codec {
  const { name, encode, decode } = (codec ?? {}) as Partial<Codec>;
  if (typeof name === "string" && typeof encode === "function" && typeof decode === "function") {
    return codec;
  }
  throw new ArgumentError(
    "`codec` is an object with a name, encode and decode: use messagePack or json of this package, " +
      `or one of your own, got ${
        typeof codec === "string" ? JSON.stringify(codec) : String(codec)
      }`,
  );
}
