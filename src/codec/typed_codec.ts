/**
 * Codecs that know the type of their values, and those whose messages all have one size.
 *
 * @module
 */
import type { Codec } from "./codec.ts";

/** A {@linkcode Codec} for values of one type. */
export interface TypedCodec<T> extends Codec {
  /** Throws {@linkcode ArgumentError} for a value that doesn't fit. */
  encode(value: T): Uint8Array;
  /** Throws {@linkcode CodecError} for bytes that it can't read. */
  decode(bytes: Uint8Array): T;
}

/** A codec whose values all take the same number of bytes, so that they can be coded in place. */
export interface FixedCodec<T> extends TypedCodec<T> {
  /** Bytes of each value. */
  readonly size: number;
  /**
   * Writes a value at an offset.
   *
   * @throws {ArgumentError} The value doesn't fit; some of the bytes may have been written.
   */
  encodeInto(value: T, target: DataView, offset: number): void;
  /** Reads the value at an offset. */
  decodeFrom(source: DataView, offset: number): T;
}

/** Do all values of the codec have the same size? */
export function isFixedCodec(codec: Codec): codec is FixedCodec<unknown> {
  const { size, encodeInto, decodeFrom } = codec as Partial<FixedCodec<unknown>>;
  return typeof size === "number" && typeof encodeInto === "function" &&
    typeof decodeFrom === "function";
}
