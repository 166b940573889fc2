/**
 * Codecs made of two functions over a cursor.
 *
 * @module
 */
import { ArgumentError, CodecError } from "../errors.ts";
import { ReadBuffer } from "./read_buffer.ts";
import { checkFieldSize } from "./text_fields.ts";
import type { FixedCodec, TypedCodec } from "./typed_codec.ts";
import { WriteBuffer } from "./write_buffer.ts";

/** What {@linkcode serializer} is given. */
export interface SerializerOptions<T> {
  /** Both sides must use the same; change it when the format changes. */
  readonly name: string;
  /** Bytes of each value, if they all have the same. Bytes that `write` leaves are zeros. */
  readonly size?: number;
  /** Writes a value. What it throws is what `encode`, or `send`, throws. */
  write(value: T, buffer: WriteBuffer): void;
  /** Reads the value. It may leave bytes unread. */
  read(buffer: ReadBuffer): T;
}

/** The names of all options; held against the interface by the compiler. */
const OPTIONS: Record<keyof SerializerOptions<unknown>, true> = {
  name: true,
  size: true,
  write: true,
  read: true,
};

/**
 * A codec of your own: a format that is written and read piece by piece.
 *
 * @throws {ArgumentError} An option isn't what it should be.
 *
 * @example
 * ```ts
 * import { serializer } from "@causeway/ipc";
 *
 * const line = serializer<{ level: number; text: string }>({
 *   name: "log-line",
 *   write(value, buffer) {
 *     buffer.u8(value.level);
 *     buffer.string(value.text);
 *   },
 *   read: (buffer) => ({ level: buffer.u8(), text: buffer.string() }),
 * });
 * console.log(line.decode(line.encode({ level: 3, text: "disk full" })));
 * ```
 */
export function serializer<T>(
  options: SerializerOptions<T> & { readonly size: number },
): FixedCodec<T>;
/** The same for values whose sizes differ. */
export function serializer<T>(options: SerializerOptions<T>): TypedCodec<T>;
export function serializer<T>(options: SerializerOptions<T>): TypedCodec<T> {
  const { name, size, write, read } = options ?? {};
  if (typeof name !== "string" || typeof write !== "function" || typeof read !== "function") {
    throw new ArgumentError(
      "a serializer has a name, write(value, buffer) and read(buffer), and a size if it is fixed",
    );
  }
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined && !Object.hasOwn(OPTIONS, key)) {
      throw new ArgumentError(
        `a serializer has no option \`${key}\`; there are ${Object.keys(OPTIONS).join(", ")}`,
      );
    }
  }
  return size === undefined
    ? new Serializer(options)
    : new FixedSerializer(options, checkFieldSize("a serializer's size", size));
}

class Serializer<T> implements TypedCodec<T> {
  readonly name: string;
  readonly output = "fresh";
  readonly carriesReferences = false;
  readonly #options: SerializerOptions<T>;

  constructor(options: SerializerOptions<T>) {
    this.name = options.name;
    this.#options = options;
  }

  encode(value: T): Uint8Array<ArrayBuffer> {
    const buffer = new WriteBuffer();
    this.#options.write(value, buffer);
    return buffer.toBytes();
  }

  decode(bytes: Uint8Array): T {
    return this.#options.read(new ReadBuffer(bytes));
  }
}

class FixedSerializer<T> implements FixedCodec<T> {
  readonly name: string;
  readonly size: number;
  readonly output = "fresh";
  readonly carriesReferences = false;
  readonly #options: SerializerOptions<T>;
  // Kept from value to value, so that coding in place allocates nothing of its own.
  readonly #writer = new WriteBuffer(0);
  readonly #reader = new ReadBuffer(new Uint8Array(0));

  constructor(options: SerializerOptions<T>, size: number) {
    this.name = `${options.name}:${size}`;
    this.size = size;
    this.#options = options;
  }

  encode(value: T): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    this.encodeInto(value, new DataView(bytes.buffer), 0);
    return bytes;
  }

  decode(bytes: Uint8Array): T {
    if (bytes.length !== this.size) {
      throw new CodecError(
        `${this.name} reads values of ${this.size} bytes, these are ${bytes.length}`,
      );
    }
    return this.decodeFrom(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  }

  encodeInto(value: T, target: DataView, offset: number): void {
    const writer = this.#writer;
    WriteBuffer.over(writer, target, offset, this.size);
    this.#options.write(value, writer);
    writer.skip(writer.remaining);
  }

  decodeFrom(source: DataView, offset: number): T {
    ReadBuffer.over(this.#reader, source, offset, this.size);
    return this.#options.read(this.#reader);
  }
}
