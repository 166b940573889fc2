/**
 * What our MessagePack has beyond the standard, and its limits. `docs/protocol.md` describes it.
 *
 * @module
 */

/** MessagePack never uses this byte: here a value of one of the kinds below begins with it. */
export const EXTENDED = 0xc1;

/** The byte after {@linkcode EXTENDED}; what follows it is written beside each. */
export const Kind = {
  /** Nothing. */
  undefined: 0x75, // u
  /** A sign (0 or 1), and bytes: the magnitude, big-endian. */
  bigint: 0x6e, // n
  /** Milliseconds, f64. */
  date: 0x64, // d
  /** Two texts: source and flags. */
  expression: 0x78, // x
  /** A length, then keys and values in turn. */
  map: 0x6d, // m
  /** A length, then values. */
  set: 0x73, // s
  /** The index of an attachment, as a length: its bytes. Stands wherever bytes can. */
  attached: 0x62, // b
  /** Bytes. */
  buffer: 0x61, // a
  /** An index of {@linkcode VIEWS}, and bytes. */
  view: 0x76, // v
  /** Flags of {@linkcode ErrorPart}, name, message, and each part that there is. */
  error: 0x65, // e
  /** An id, as a length. */
  function: 0x66, // f
  /** A tag (a byte), and a value that stands for the object. */
  reference: 0x6f, // o
  /** A length, the number of an object: that object again. */
  again: 0x72, // r
  /** The number of an object of text keys; then values for the same keys: an object like it. */
  like: 0x6c, // l
} as const;

/** What there may be of an error, in this order. */
export const ErrorPart = { stack: 1, cause: 2, errors: 4, properties: 8, dom: 16 } as const;

/** Views by their names; `Uint8Array` is a standard MessagePack `bin`. */
export const VIEWS = [
  "Int8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "DataView",
  "Float16Array",
] as const;

/** How deep values may be in each other. Both sides hold to it. */
export const MAX_DEPTH = 1000;
/** The most bytes of a big integer. */
export const MAX_BIGINT_BYTES = 65_536;
