/**
 * Copies of bytes, where the memory they are in belongs to the user or to a codec.
 *
 * @module
 */
import type { Codec } from "./codec.ts";

/**
 * The same bytes in memory of their own. `slice()` isn't that: for a Node `Buffer` it is a
 * view of the same memory, and for a subclass it is whatever the subclass makes of it.
 */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** What a codec gave, to be kept until later: copied, unless nothing writes to it again. */
export function keepEncoded(codec: Codec, payload: Uint8Array): Uint8Array {
  return codec.output === "fresh" ? payload : copyBytes(payload);
}

/**
 * What a codec gave, to be kept while other values of the same list are encoded. A list
 * that makes its values on the way (`isLazy`, a generator) may use their memory again.
 */
export function keepBetween(codec: Codec, payload: Uint8Array, isLazy: boolean): Uint8Array {
  return codec.output === "value" && !isLazy ? payload : keepEncoded(codec, payload);
}
