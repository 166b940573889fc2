/**
 * ReadBuffer: a cursor that reads what a {@linkcode WriteBuffer} wrote.
 *
 * @module
 */
import { ArgumentError, CodecError } from "../errors.ts";
import { copyBytes } from "./copy.ts";
import { f16 } from "./number_fields.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A cursor that reads; reading behind the end is a {@linkcode CodecError}. */
export class ReadBuffer {
  #bytes!: Uint8Array;
  #data!: DataView;
  #start = 0;
  #at = 0;
  #end = 0;

  /** Reads these bytes. */
  constructor(bytes: Uint8Array) {
    if (!(bytes instanceof Uint8Array)) {
      throw new ArgumentError(`a ReadBuffer reads a Uint8Array, got ${typeof bytes}`);
    }
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#end = bytes.length;
  }

  /** @ignore Reads `size` bytes of other memory from now on. */
  static over(buffer: ReadBuffer, memory: DataView, offset: number, size: number): void {
    if (buffer.#data !== memory) {
      buffer.#bytes = new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
      buffer.#data = memory;
    }
    buffer.#start = buffer.#at = offset;
    buffer.#end = offset + size;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#at - this.#start;
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  #take(size: number): number {
    const at = this.#at;
    if (!(Number.isInteger(size) && size >= 0 && at + size <= this.#end)) {
      throw new CodecError(
        `${size} bytes at ${this.position} are wanted, but there are only ${this.#end - at} left`,
      );
    }
    this.#at = at + size;
    return at;
  }

  /** A byte. */
  u8(): number {
    return this.#data.getUint8(this.#take(1));
  }

  /** A byte with a sign. */
  i8(): number {
    return this.#data.getInt8(this.#take(1));
  }

  /** 16 bits without sign. */
  u16(): number {
    return this.#data.getUint16(this.#take(2), true);
  }

  /** 16 bits. */
  i16(): number {
    return this.#data.getInt16(this.#take(2), true);
  }

  /** 32 bits without sign. */
  u32(): number {
    return this.#data.getUint32(this.#take(4), true);
  }

  /** 32 bits. */
  i32(): number {
    return this.#data.getInt32(this.#take(4), true);
  }

  /** 64 bits without sign. */
  u64(): bigint {
    return this.#data.getBigUint64(this.#take(8), true);
  }

  /** 64 bits. */
  i64(): bigint {
    return this.#data.getBigInt64(this.#take(8), true);
  }

  /** A floating-point number of 16 bits. */
  f16(): number {
    return f16.read(this.#data, this.#take(2));
  }

  /** A floating-point number of 32 bits. */
  f32(): number {
    return this.#data.getFloat32(this.#take(4), true);
  }

  /** A floating-point number of 64 bits. */
  f64(): number {
    return this.#data.getFloat64(this.#take(8), true);
  }

  /** A byte that isn't 0. */
  bool(): boolean {
    return this.u8() !== 0;
  }

  /** So many bytes, as a copy. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#take(length);
    return copyBytes(this.#bytes.subarray(at, at + length));
  }

  /** A text that {@linkcode WriteBuffer.string} wrote. @throws {CodecError} It isn't UTF-8. */
  string(): string {
    const length = this.u32();
    // A copy: the memory may be another process's, which could change it while it is decoded.
    const text = this.bytes(length);
    try {
      return decoder.decode(text);
    } catch (cause) {
      throw new CodecError(`the text of ${length} bytes at ${this.position} isn't UTF-8`, {
        cause,
      });
    }
  }

  /** Goes over so many bytes. */
  skip(count: number): void {
    this.#take(count);
  }
}
