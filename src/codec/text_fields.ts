/**
 * Texts and bytes of a fixed size in a struct.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import { AT, DATA, FieldError, refuse, showValue } from "./field.ts";
import type { Place, ScalarField } from "./field.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Up to so many bytes are read one by one, which is faster than a decoder's call. */
const SHORT = 32;

/** Checks the size of a field given by a user. */
export function checkFieldSize(what: string, size: number): number {
  if (Number.isInteger(size) && size >= 1 && size <= MAX_FIELD) return size;
  throw new ArgumentError(
    `${what} is a whole number from 1 to ${MAX_FIELD}, got ${showValue(size)}`,
  );
}

/** The most bytes, or elements, of a field. */
const MAX_FIELD = 1 << 28;

/**
 * A text of at most `bytes` bytes of UTF-8, filled up with zeros: C's
 * `char name[bytes]`, where a text of the full size has no zero behind it. It can't
 * hold U+0000, which would end it. What isn't UTF-8 is read as U+FFFD. Of a text that is
 * refused the ASCII characters at its beginning may have been written.
 *
 * @throws {ArgumentError} The size is out of range.
 */
export function fixedString(bytes: number): ScalarField<string> {
  const size = checkFieldSize("the size of a fixed string, in bytes,", bytes);
  const label = `string(${size})`;
  const write = (data: DataView, at: number, value: string, name: string): void =>
    writeString(data, at, size, value, name, label);
  return {
    composite: false,
    label,
    size,
    alignment: 1,
    read: (data, at) => readString(data, at, size),
    write,
    accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
      get() {
        return readString(this[DATA], this[AT] + offset, size);
      },
      set(value: string) {
        write(this[DATA], this[AT] + offset, value, name);
      },
    }),
  };
}

function writeString(
  data: DataView,
  at: number,
  size: number,
  value: string,
  name: string,
  label: string,
): void {
  if (typeof value !== "string") refuse(name, value, label, `a text of at most ${size} bytes`);
  // One with more characters than bytes is refused before anything of it is written.
  const most = value.length > size ? 0 : value.length;
  let i = 0;
  for (; i < most; i++) {
    const code = value.charCodeAt(i);
    if (code === 0 || code >= 0x80) break;
    data.setUint8(at + i, code);
  }
  if (i < value.length) i += writeRest(data, at + i, size, i, value, name, label);
  while (i < size) data.setUint8(at + i++, 0);
}

/** Writes what follows the plain characters at the beginning; returns how many bytes. */
function writeRest(
  data: DataView,
  at: number,
  size: number,
  from: number,
  value: string,
  name: string,
  label: string,
): number {
  if (!value.isWellFormed()) {
    throw new FieldError(name, `is ${showValue(value)}, which holds half of a surrogate pair`);
  }
  const zero = value.indexOf("\0");
  if (zero >= 0) {
    throw new FieldError(
      name,
      `is ${showValue(value)}, which holds U+0000 at ${zero}: that would end the text`,
    );
  }
  const rest = encoder.encode(value.slice(from));
  const length = from + rest.length;
  if (length > size) {
    throw new FieldError(
      name,
      `is ${showValue(value)}, ${length} bytes of UTF-8; ${label} takes at most ${size}`,
    );
  }
  for (let i = 0; i < rest.length; i++) data.setUint8(at + i, rest[i]!);
  return rest.length;
}

function readString(data: DataView, at: number, size: number): string {
  let text = "";
  for (let i = 0; i < size; i++) {
    if (i === SHORT) return readLong(data, at, size);
    const byte = data.getUint8(at + i);
    if (byte === 0) return text;
    if (byte >= 0x80) return readLong(data, at, size);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Copied first: a decoder must not see bytes that another process changes. */
function readLong(data: DataView, at: number, size: number): string {
  const own = new Uint8Array(data.buffer, data.byteOffset + at, size).slice();
  const end = own.indexOf(0);
  return decoder.decode(end < 0 ? own : own.subarray(0, end));
}

/**
 * Exactly `bytes` bytes, a `Uint8Array`: a hash, a key, a UUID. Reading gives a copy,
 * in views too.
 *
 * @throws {ArgumentError} The size is out of range.
 */
export function fixedBytes(bytes: number): ScalarField<Uint8Array> {
  const size = checkFieldSize("the size of fixed bytes", bytes);
  const label = `bytes(${size})`;
  const at = (data: DataView, offset: number): Uint8Array =>
    new Uint8Array(data.buffer, data.byteOffset + offset, size);
  const write = (data: DataView, offset: number, value: Uint8Array, name: string): void => {
    if (!(value instanceof Uint8Array)) {
      refuse(name, value, label, `a Uint8Array of ${size} bytes`);
    }
    if (value.length !== size) {
      throw new FieldError(name, `has ${value.length} bytes; ${label} takes ${size}`);
    }
    at(data, offset).set(value);
  };
  return {
    composite: false,
    label,
    size,
    alignment: 1,
    read: (data, offset) => at(data, offset).slice(),
    write,
    accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
      get() {
        return at(this[DATA], this[AT] + offset).slice();
      },
      set(value: Uint8Array) {
        write(this[DATA], this[AT] + offset, value, name);
      },
    }),
  };
}
