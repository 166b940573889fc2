/**
 * MessagePack to values, see `messagepack_format.ts`.
 *
 * The bytes are a peer's, which may be hostile: no length makes more than the bytes that
 * are there account for, and depth has a limit.
 *
 * @module
 */
import { CausewayError, CodecError } from "../errors.ts";
import { carryStack } from "../stacks.ts";
import { asciiText } from "./ascii_text.ts";
import type { FunctionTable } from "./codec.ts";
import { copyBytes } from "./copy.ts";
import { blankError, defineHidden, defineOwn } from "./failure.ts";
import {
  ErrorPart,
  EXTENDED,
  Kind,
  MAX_BIGINT_BYTES,
  MAX_DEPTH,
  VIEWS,
} from "./messagepack_format.ts";
import { messageOf } from "./refusal.ts";

/** A text of fewer bytes is read one by one, if it is ASCII. */
const SHORT_TEXT = 24;
/** An array of more elements that is deeper than this grows with what is read (see `#array`). */
const MANY = 1024;
const DEEP = 4;
/** V8 makes a dictionary of an array that begins with more elements: ten times as slow. */
const SLOW = 1 << 25;
/** ASCII keys that were read lately, by a hash of their bytes. All messages of the thread share them. */
const KEYS = new Array<string>(1024).fill("");

const texts = new TextDecoder("utf-8", { ignoreBOM: true });
const EMPTY = new Uint8Array(0);

const LIKE = Kind.like;
/** What the key `__proto__` becomes, which would be the prototype of what its object is copied into. */
const HARMLESS = "__proto_";

type Fields = Record<string, unknown>;

/** Decodes one message at a time; what it calls meanwhile must use another one. */
export class Decoder {
  #bytes: Uint8Array = EMPTY;
  #data: DataView | undefined;
  #at = 0;
  #end = 0;
  #depth = 0;
  #table: FunctionTable | undefined;
  /** Every object that was read, by its number. */
  #objects: unknown[] = [];
  /** Keys of objects that others are like, by the number. */
  #shapes: Map<number, string[]> | undefined;
  #shape: string[] = [];
  #shapeNumber = -1;

  /** The value that the bytes are. */
  decode(bytes: Uint8Array, table: FunctionTable | undefined): unknown {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#table = table;
    try {
      const value = this.#value();
      if (this.#at > this.#end) throw truncated();
      if (this.#at < this.#end) throw new CodecError(`${this.#end - this.#at} bytes are left over`);
      return value;
    } catch (cause) {
      throw cause instanceof CausewayError && !(cause instanceof CodecError)
        ? cause
        : new CodecError(
          `MessagePack can't read these ${bytes.length} bytes: ${messageOf(cause)}`,
          {
            cause,
          },
        );
    } finally {
      this.#reset();
    }
  }

  #reset(): void {
    this.#bytes = EMPTY;
    this.#data = this.#table = this.#shapes = undefined;
    this.#objects = [];
    this.#at = this.#depth = 0;
    this.#shapeNumber = -1;
  }

  // ---------------------------------------------------------------- values

  #value(): unknown {
    const token = this.#bytes[this.#at++]!;
    if (token < 0x80) return token;
    if (token < 0x90) return this.#fields(token & 0x0f);
    if (token < 0xa0) return this.#array(token & 0x0f);
    if (token < 0xc0) return this.#text(token & 0x1f);
    if (token >= 0xe0) return token - 0x100;
    if (token === 0xcb) {
      const at = this.#at;
      this.#at = at + 8;
      return this.#view().getFloat64(at);
    }
    return this.#long(token);
  }

  #long(token: number): unknown {
    switch (token) {
      case 0xc0:
        return null;
      case EXTENDED:
        return this.#extended();
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#known(this.#copy(this.#size(token - 0xc4)));
      case 0xca:
        return this.#view().getFloat32(this.#skip(4));
      case 0xcc:
        return this.#bytes[this.#at++];
      case 0xcd:
        return this.#u16();
      case 0xce:
        return this.#u32();
      case 0xcf:
        return this.#view().getBigUint64(this.#skip(8));
      case 0xd0:
        return (this.#bytes[this.#at++]! << 24) >> 24;
      case 0xd1:
        return (this.#u16() << 16) >> 16;
      case 0xd2:
        return this.#u32() | 0;
      case 0xd3:
        return this.#view().getBigInt64(this.#skip(8));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#size(token - 0xd9));
      case 0xdc:
        return this.#array(this.#u16());
      case 0xdd:
        return this.#array(this.#u32());
      case 0xde:
        return this.#fields(this.#u16());
      case 0xdf:
        return this.#fields(this.#u32());
      default:
        if (token === undefined) throw truncated();
        throw new CodecError(`there is no value that begins with the byte ${token}`);
    }
  }

  /** Where `count` bytes are that a view reads, which looks whether they are there. */
  #skip(count: number): number {
    const at = this.#at;
    this.#at = at + count;
    return at;
  }

  #view(): DataView {
    const bytes = this.#bytes;
    return this.#data ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #u16(): number {
    const at = this.#skip(2);
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!;
  }

  #u32(): number {
    const at = this.#skip(4);
    const bytes = this.#bytes;
    return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
  }

  /** A size of 1, 2 or 4 bytes: `width` 0, 1 or 2. */
  #size(width: number): number {
    if (width === 0) return this.#bytes[this.#at++]!;
    return width === 1 ? this.#u16() : this.#u32();
  }

  /** Are there so many bytes? Whatever is made for them comes after this. */
  #check(count: number): void {
    if (!(count <= this.#end - this.#at)) throw truncated();
  }

  /** A copy of so many bytes. */
  #copy(length: number): Uint8Array<ArrayBuffer> {
    this.#check(length);
    const at = this.#skip(length);
    return copyBytes(this.#bytes.subarray(at, at + length));
  }

  /** A length that a value of its own is. */
  #length(): number {
    const token = this.#bytes[this.#at++]!;
    if (token < 0x80) return token;
    if (token >= 0xcc && token <= 0xce) return this.#size(token - 0xcc);
    throw new CodecError("a length isn't one");
  }

  #known<T>(value: T): T {
    this.#objects.push(value);
    return value;
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw new CodecError(`it is deeper than ${MAX_DEPTH} levels`);
  }

  // ----------------------------------------------------------------- texts

  #text(length: number): string {
    this.#check(length);
    if (length >= SHORT_TEXT) return this.#longText(length);
    const text = asciiText(this.#bytes, this.#at, this.#at + length);
    if (text === undefined) return this.#longText(length);
    this.#at += length;
    return text;
  }

  #longText(length: number): string {
    const at = this.#skip(length);
    return texts.decode(this.#bytes.subarray(at, at + length));
  }

  /** A key: mostly one of those that were read before. */
  #key(): string {
    const length = this.#bytes[this.#at]! - 0xa0;
    if (!(length > 0 && length < SHORT_TEXT)) return this.#rareKey();
    const bytes = this.#bytes;
    const start = this.#at + 1;
    const end = start + length;
    if (end > this.#end) throw truncated();
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + bytes[i]! | 0;
    const place = hash & 1023;
    const known = KEYS[place]!;
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i++;
      if (i === length) {
        this.#at = end;
        return known;
      }
    }
    this.#at = start;
    const key = this.#text(length);
    // Only ASCII has as many characters as bytes, and is what its bytes are.
    if (key.length === length) KEYS[place] = key;
    return key;
  }

  #rareKey(): string {
    const key = this.#value();
    if (typeof key === "string") return key;
    throw new CodecError("a key is no text");
  }

  // --------------------------------------------------------------- objects

  #array(length: number): unknown[] {
    this.#check(length);
    this.#enter();
    // Arrays in each other may announce the same bytes, so only a few get all their room at once.
    const isGrowing = (length > MANY && this.#depth > DEEP) || length > SLOW;
    const values = this.#known(isGrowing ? [] : new Array<unknown>(length));
    for (let i = 0; i < length; i++) values[i] = this.#value();
    this.#depth--;
    return values;
  }

  #fields(count: number): Fields {
    this.#check(2 * count);
    this.#enter();
    const fields: Fields = this.#known({});
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      fields[key === "__proto__" ? HARMLESS : key] = this.#value();
    }
    this.#depth--;
    return fields;
  }

  /** An object with the same keys as one that was read before. */
  #like(): Fields {
    const number = this.#length();
    const keys = number === this.#shapeNumber ? this.#shape : this.#keysOf(number);
    this.#check(keys.length);
    this.#enter();
    const fields: Fields = this.#known({});
    for (let i = 0; i < keys.length; i++) {
      fields[keys[i]!] = this.#value();
    }
    this.#depth--;
    return fields;
  }

  #keysOf(number: number): string[] {
    const shapes = this.#shapes ??= new Map();
    let keys = shapes.get(number);
    if (keys === undefined) {
      const object = this.#objects[number];
      if (
        typeof object !== "object" || object === null ||
        Object.getPrototypeOf(object) !== Object.prototype
      ) {
        throw new CodecError(`there is no object ${number} that another could be like`);
      }
      shapes.set(number, keys = Object.keys(object));
    }
    this.#shape = keys;
    this.#shapeNumber = number;
    return keys;
  }

  #extended(): unknown {
    const kind = this.#bytes[this.#at++]!;
    if (kind === LIKE) return this.#like();
    return this.#byKind(kind);
  }

  #byKind(kind: number): unknown {
    switch (kind) {
      case Kind.undefined:
        return undefined;
      case Kind.again:
        return this.#again();
      case Kind.date:
        return this.#known(new Date(this.#view().getFloat64(this.#skip(8))));
      case Kind.bigint:
        return this.#bigint();
      case Kind.map:
        return this.#map();
      case Kind.set:
        return this.#set();
      case Kind.expression:
        return this.#known(new RegExp(this.#rareKey(), this.#rareKey()));
      case Kind.attached:
        return this.#known(this.#attached());
      case Kind.buffer:
        return this.#known(this.#binary().buffer);
      case Kind.view:
        return this.#known(this.#typedView());
      case Kind.error:
        return this.#error();
      case Kind.function:
        return this.#function();
      case Kind.reference:
        return this.#reference();
      default:
        if (kind === undefined) throw truncated();
        throw new CodecError(`there is no kind ${kind} of values`);
    }
  }

  #again(): unknown {
    const number = this.#length();
    if (number < this.#objects.length) return this.#objects[number];
    throw new CodecError(`there is no object ${number} yet`);
  }

  #bigint(): bigint {
    const isNegative = this.#bytes[this.#at++] === 1;
    const magnitude = this.#binary();
    if (magnitude.length > MAX_BIGINT_BYTES) {
      throw new CodecError(`a bigint has ${magnitude.length} bytes, at most ${MAX_BIGINT_BYTES}`);
    }
    const value = BigInt(`0x0${magnitude.toHex()}`);
    return isNegative ? -value : value;
  }

  #binary(): Uint8Array<ArrayBuffer> {
    const token = this.#bytes[this.#at++]!;
    if (token >= 0xc4 && token <= 0xc6) return this.#copy(this.#size(token - 0xc4));
    if (token === EXTENDED && this.#bytes[this.#at++] === Kind.attached) return this.#attached();
    throw new CodecError("there are no bytes where some have to be");
  }

  #attached(): Uint8Array<ArrayBuffer> {
    const index = this.#length();
    const table = this.#table?.attachments;
    if (table === undefined) throw new CodecError("the message has no attachments");
    return table.take(index);
  }

  #typedView(): ArrayBufferView {
    const name = VIEWS[this.#bytes[this.#at++]!];
    const { buffer } = this.#binary();
    if (name === undefined) throw new CodecError("a view has no known type");
    const View = (globalThis as unknown as Record<
      string,
      (new (buffer: ArrayBuffer) => ArrayBufferView) | undefined
    >)[name];
    if (View === undefined) throw new CodecError(`this runtime has no ${name}`);
    return new View(buffer);
  }

  #map(): Map<unknown, unknown> {
    const size = this.#length();
    this.#check(2 * size);
    this.#enter();
    const map = this.#known(new Map<unknown, unknown>());
    for (let i = 0; i < size; i++) map.set(this.#value(), this.#value());
    this.#depth--;
    return map;
  }

  #set(): Set<unknown> {
    const size = this.#length();
    this.#check(size);
    this.#enter();
    const set = this.#known(new Set<unknown>());
    for (let i = 0; i < size; i++) set.add(this.#value());
    this.#depth--;
    return set;
  }

  /** It is there before its parts are, which may be itself. */
  #error(): Error {
    const flags = this.#bytes[this.#at++]!;
    const name = this.#rareKey();
    const message = this.#rareKey();
    this.#enter();
    const error = this.#known(blankError(name, message, (flags & ErrorPart.dom) !== 0));
    if ((flags & ErrorPart.stack) !== 0) carryStack(error, this.#rareKey());
    if ((flags & ErrorPart.cause) !== 0) defineHidden(error, "cause", this.#value());
    if ((flags & ErrorPart.errors) !== 0) defineHidden(error, "errors", this.#list());
    if ((flags & ErrorPart.properties) !== 0) this.#properties(error);
    this.#depth--;
    return error;
  }

  #list(): unknown[] {
    const list = this.#value();
    if (Array.isArray(list)) return list as unknown[];
    throw new CodecError("the errors of an error are no list");
  }

  #properties(error: Error): void {
    const count = this.#length();
    this.#check(2 * count);
    for (let i = 0; i < count; i++) {
      const key = this.#rareKey();
      defineOwn(error, key === "__proto__" ? HARMLESS : key, this.#value());
    }
  }

  #function(): unknown {
    const id = this.#length();
    if (this.#table === undefined) {
      throw new CodecError("a function arrived where none can be called");
    }
    return this.#table.importFunction(id);
  }

  #reference(): unknown {
    const tag = this.#bytes[this.#at++];
    const type = this.#table?.references?.find((each) => each.tag === tag);
    if (type === undefined) {
      throw new CodecError(`an object by reference arrived (${tag}), where none can be used`);
    }
    const number = this.#objects.push(undefined) - 1;
    this.#enter();
    const object = type.importObject(this.#value());
    this.#depth--;
    return this.#objects[number] = object;
  }
}

function truncated(): CodecError {
  return new CodecError("they end in the middle of a value");
}
