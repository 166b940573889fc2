/**
 * WriteBuffer: a cursor that writes one thing after the other. Little-endian, without
 * padding: what is written next starts where the last thing ended.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import { FieldError, showValue } from "./field.ts";
import type { ScalarField } from "./field.ts";
import { bool, f16, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "./number_fields.ts";

const encoder = new TextEncoder();
/** Bytes of a new buffer that grows. */
const FIRST = 256;

/**
 * A cursor that writes. It grows as needed, or has a fixed size, and then writing
 * behind its end is an {@linkcode ArgumentError}, as is a number out of range.
 *
 * @example
 * ```ts
 * import { ReadBuffer, WriteBuffer } from "@causeway/ipc";
 *
 * const written = new WriteBuffer();
 * written.u32(7);
 * written.string("seven");
 * const read = new ReadBuffer(written.toBytes());
 * console.log(read.u32(), read.string(), read.remaining);
 * ```
 */
export class WriteBuffer {
  #bytes!: Uint8Array;
  #data!: DataView;
  #start = 0;
  #at = 0;
  #end = 0;
  #grows = false;

  /** `size`: it has so many bytes, and no more. Without it, it grows. */
  constructor(size?: number) {
    if (size !== undefined && !(Number.isInteger(size) && size >= 0)) {
      throw new ArgumentError(`the size of a buffer is a whole number of bytes, got ${size}`);
    }
    this.#use(new Uint8Array(size ?? FIRST), 0, size ?? FIRST);
    this.#grows = size === undefined;
  }

  #use(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = this.#at = start;
    this.#end = end;
  }

  /** @ignore Writes into `size` bytes of other memory from now on. */
  static over(buffer: WriteBuffer, memory: DataView, offset: number, size: number): void {
    if (buffer.#data !== memory) {
      buffer.#bytes = new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
      buffer.#data = memory;
      buffer.#grows = false;
    }
    buffer.#start = buffer.#at = offset;
    buffer.#end = offset + size;
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#at - this.#start;
  }

  /** Bytes that can still be written; `Infinity` if it grows. */
  get remaining(): number {
    return this.#grows ? Infinity : this.#end - this.#at;
  }

  /** What was written, as a copy. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(this.#start, this.#at) as Uint8Array<ArrayBuffer>;
  }

  /** Starts again at the beginning. */
  clear(): void {
    this.#at = this.#start;
  }

  /** Where `size` bytes go; there is room for them. */
  #claim(size: number): number {
    const at = this.#at;
    if (at + size > this.#end) this.#makeRoom(size);
    this.#at = at + size;
    return at;
  }

  #makeRoom(size: number): void {
    if (!this.#grows) {
      throw new ArgumentError(
        `${size} bytes at ${this.position} don't fit into a buffer of ${
          this.#end - this.#start
        } bytes: ` +
          "give it, or the codec, a larger size",
      );
    }
    const at = this.#at;
    const larger = new Uint8Array(Math.max(2 * this.#end, at + size));
    larger.set(this.#bytes.subarray(0, at));
    this.#use(larger, 0, larger.length);
    this.#at = at;
  }

  #put<T>(field: ScalarField<T>, value: T): void {
    // Checked before the cursor moves, so that nothing is half-written.
    const at = this.#claim(field.size);
    try {
      field.write(this.#data, at, value, "");
    } catch (error) {
      this.#at = at;
      throw error instanceof FieldError ? error.of("the value to be written") : error;
    }
  }

  /** A byte, 0 to 255. */
  u8(value: number): void {
    this.#put(u8, value);
  }

  /** -128 to 127. */
  i8(value: number): void {
    this.#put(i8, value);
  }

  /** 0 to 65,535. */
  u16(value: number): void {
    this.#put(u16, value);
  }

  /** -32,768 to 32,767. */
  i16(value: number): void {
    this.#put(i16, value);
  }

  /** 0 to 2^32 - 1. */
  u32(value: number): void {
    this.#put(u32, value);
  }

  /** -2^31 to 2^31 - 1. */
  i32(value: number): void {
    this.#put(i32, value);
  }

  /** 0n to 2^64 - 1. */
  u64(value: bigint): void {
    this.#put(u64, value);
  }

  /** -2^63 to 2^63 - 1. */
  i64(value: bigint): void {
    this.#put(i64, value);
  }

  /** A number of 16 bits, rounded. */
  f16(value: number): void {
    this.#put(f16, value);
  }

  /** A number of 32 bits, rounded. */
  f32(value: number): void {
    this.#put(f32, value);
  }

  /** Any number. */
  f64(value: number): void {
    this.#put(f64, value);
  }

  /** A byte, 0 or 1. */
  bool(value: boolean): void {
    this.#put(bool, value);
  }

  /** Bytes as they are, without their length: who reads them must know it. */
  bytes(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) {
      throw new ArgumentError(`bytes to be written are a Uint8Array, got ${showValue(value)}`);
    }
    const at = this.#claim(value.length);
    this.#bytes.set(value, at);
  }

  /**
   * A text: its length in bytes as u32, then UTF-8.
   *
   * @throws {ArgumentError} It is no text, or holds half of a surrogate pair, which UTF-8 can't.
   */
  string(value: string): void {
    if (typeof value !== "string") {
      throw new ArgumentError(`a text to be written is a string, got ${showValue(value)}`);
    }
    if (!value.isWellFormed()) {
      throw new ArgumentError(
        `the text to be written is ${showValue(value)}, which holds half of a surrogate pair: ` +
          "pass it through toWellFormed() if U+FFFD may stand for it",
      );
    }
    const text = encoder.encode(value);
    const at = this.#claim(4 + text.length);
    this.#data.setUint32(at, text.length, true);
    this.#bytes.set(text, at + 4);
  }

  /** So many zeros. @throws {ArgumentError} The count is no whole number from 0. */
  skip(count: number): void {
    if (!(Number.isInteger(count) && count >= 0)) {
      throw new ArgumentError(
        `bytes to be skipped are a whole number from 0, got ${showValue(count)}`,
      );
    }
    const at = this.#claim(count);
    this.#bytes.fill(0, at, at + count);
  }
}
