/**
 * Values to MessagePack, see `messagepack_format.ts`.
 *
 * @module
 */
import { LEAST_ATTACHED } from "./attachments.ts";
import { show } from "../options.ts";
import { isStream } from "./codec.ts";
import type { FunctionTable } from "./codec.ts";
import { partsOfError } from "./failure.ts";
import {
  ErrorPart,
  EXTENDED,
  Kind,
  MAX_BIGINT_BYTES,
  MAX_DEPTH,
  VIEWS,
} from "./messagepack_format.ts";
import { encodingError, Refusal, refusalWithin } from "./refusal.ts";
import { builtInOf, hasToJSON, isError, isPlain, keysOf, viewTypeOf } from "./value_kind.ts";

/** Bytes of the memory that is used again for each message. */
const SCRATCH = 16_384;
/** A text of fewer characters is written one by one, if it is ASCII. */
const SHORT_TEXT = 48;
/** A text of more characters is encoded first, to know its size. */
const LONG_TEXT = 4096;
/** So many objects are looked up one by one; more are in a map. */
const FEW = 32;
/** So many shapes of objects are remembered, the last ones. */
const SHAPES = 8;
/** The most bytes of a message: what one view can hold in every runtime. */
const MAX_BYTES = 0x7fffffff;

const texts = new TextEncoder();
const mapEntries = Map.prototype.entries;
const setValues = Set.prototype.values;

/** Encodes one value at a time; what it calls meanwhile must use another one. */
export class Encoder {
  readonly #scratch = new Uint8Array(SCRATCH);
  readonly #scratchData = new DataView(this.#scratch.buffer);
  #bytes = this.#scratch;
  #data = this.#scratchData;
  #at = 0;
  #depth = 0;
  #table: FunctionTable | undefined;

  /** Objects that were written: the first few, and all of them if there are more. */
  readonly #few: (object | undefined)[] = new Array<undefined>(FEW).fill(undefined);
  #all: Map<object, number> | undefined;
  #objects = 0;

  /** Keys of objects that were written to their end, in a circle, with their numbers. */
  readonly #shapes: (readonly string[] | undefined)[] = new Array<undefined>(SHAPES).fill(
    undefined,
  );
  readonly #shapeNumbers: number[] = new Array<number>(SHAPES).fill(0);
  #shapeCount = 0;

  /** The bytes of a value, in memory of their own. */
  encode(value: unknown, table: FunctionTable | undefined): Uint8Array<ArrayBuffer> {
    this.#table = table;
    try {
      this.#value(value);
      return this.#take();
    } catch (error) {
      throw encodingError(error);
    } finally {
      this.#reset();
    }
  }

  #take(): Uint8Array<ArrayBuffer> {
    const isOwn = this.#bytes !== this.#scratch && this.#at > this.#bytes.length >> 1;
    return isOwn ? this.#bytes.subarray(0, this.#at) : this.#bytes.slice(0, this.#at);
  }

  /** Holds nothing of the value any longer. */
  #reset(): void {
    this.#bytes = this.#scratch;
    this.#data = this.#scratchData;
    this.#at = this.#depth = 0;
    this.#table = undefined;
    for (let i = Math.min(this.#objects, FEW); i-- > 0;) this.#few[i] = undefined;
    for (let i = Math.min(this.#shapeCount, SHAPES); i-- > 0;) this.#shapes[i] = undefined;
    this.#all = undefined;
    this.#objects = this.#shapeCount = 0;
  }

  /** Makes room for so many bytes. */
  #reserve(count: number): void {
    if (this.#at + count > this.#bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const least = this.#at + count;
    if (least > MAX_BYTES) {
      throw new Refusal(`can't be sent: all together takes more than ${MAX_BYTES} bytes`);
    }
    const { length } = this.#bytes;
    const size = Math.min(MAX_BYTES, Math.max(length + (length >> 1), least + (least >> 4) + 64));
    const larger = new Uint8Array(size);
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#data = new DataView(larger.buffer);
  }

  // ---------------------------------------------------------------- values

  #value(value: unknown): void {
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "object") {
      if (value === null) this.#byte(0xc0);
      else this.#object(value);
    } else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (value === undefined) this.#kind(Kind.undefined);
    else this.#rare(value as bigint | symbol | ((...args: never[]) => unknown));
  }

  #rare(value: bigint | symbol | ((...args: never[]) => unknown)): void {
    if (typeof value === "bigint") return this.#bigint(value);
    if (typeof value === "symbol") {
      throw new Refusal(`is the symbol ${show(value)}, which can't be sent`);
    }
    if (this.#table === undefined) throw new Refusal("is a function, which can't be sent here");
    const id = this.#table.exportFunction(value);
    this.#kind(Kind.function);
    this.#length(id);
  }

  #byte(byte: number): void {
    if (this.#at === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#at++] = byte;
  }

  #kind(kind: number): void {
    this.#reserve(2);
    this.#bytes[this.#at] = EXTENDED;
    this.#bytes[this.#at + 1] = kind;
    this.#at += 2;
  }

  /** A whole number from 0 to 2^32 - 1, as MessagePack writes it. */
  #length(value: number): void {
    this.#reserve(5);
    this.#whole(value);
  }

  /** The same where there is room. */
  #whole(value: number): void {
    const bytes = this.#bytes;
    if (value < 0x80) bytes[this.#at++] = value;
    else if (value < 0x100) {
      bytes[this.#at++] = 0xcc;
      bytes[this.#at++] = value;
    } else if (value < 0x10000) {
      bytes[this.#at++] = 0xcd;
      bytes[this.#at++] = value >> 8;
      bytes[this.#at++] = value;
    } else {
      bytes[this.#at] = 0xce;
      this.#data.setUint32(this.#at + 1, value);
      this.#at += 5;
    }
  }

  #number(value: number): void {
    this.#reserve(9);
    if (value >>> 0 === value && (value !== 0 || Object.is(value, 0))) this.#whole(value);
    else if (value >> 0 === value && value !== 0) this.#negative(value);
    else {
      this.#bytes[this.#at] = 0xcb;
      this.#data.setFloat64(this.#at + 1, value);
      this.#at += 9;
    }
  }

  #negative(value: number): void {
    const bytes = this.#bytes;
    if (value >= -0x20) bytes[this.#at++] = value;
    else if (value >= -0x80) {
      bytes[this.#at++] = 0xd0;
      bytes[this.#at++] = value;
    } else if (value >= -0x8000) {
      bytes[this.#at++] = 0xd1;
      bytes[this.#at++] = value >> 8;
      bytes[this.#at++] = value;
    } else {
      bytes[this.#at] = 0xd2;
      this.#data.setInt32(this.#at + 1, value);
      this.#at += 5;
    }
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value) {
      this.#reserve(9);
      const isSigned = value < 0n;
      this.#bytes[this.#at] = isSigned ? 0xd3 : 0xcf;
      if (isSigned) this.#data.setBigInt64(this.#at + 1, value);
      else this.#data.setBigUint64(this.#at + 1, value);
      this.#at += 9;
      return;
    }
    let digits = (value < 0n ? -value : value).toString(16);
    if (digits.length % 2 === 1) digits = `0${digits}`;
    const count = digits.length / 2;
    if (count > MAX_BIGINT_BYTES) {
      throw new Refusal(`is a bigint of ${count} bytes; at most ${MAX_BIGINT_BYTES} can be sent`);
    }
    this.#kind(Kind.bigint);
    this.#byte(value < 0n ? 1 : 0);
    this.#within(Uint8Array.fromHex(digits));
  }

  // ----------------------------------------------------------------- texts

  #text(text: string): void {
    const { length } = text;
    if (length >= SHORT_TEXT) return this.#longText(text);
    this.#reserve(2 + length);
    const bytes = this.#bytes;
    let at = this.#at;
    if (length < 32) bytes[at++] = 0xa0 | length;
    else {
      bytes[at++] = 0xd9;
      bytes[at++] = length;
    }
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return this.#longText(text);
      bytes[at++] = code;
    }
    this.#at = at;
  }

  /** What is long, or isn't ASCII: UTF-8 by the runtime. Halves of surrogate pairs become U+FFFD. */
  #longText(text: string): void {
    if (text.length > LONG_TEXT) {
      const encoded = texts.encode(text);
      this.#reserve(5 + encoded.length);
      this.#textHeader(encoded.length, textHeaderSize(encoded.length));
      this.#bytes.set(encoded, this.#at);
      this.#at += encoded.length;
      return;
    }
    this.#reserve(5 + 3 * text.length);
    // The header's size is guessed, and corrected if the text has more bytes than characters.
    const guess = textHeaderSize(text.length);
    const at = this.#at + guess;
    const { written } = texts.encodeInto(text, this.#bytes.subarray(at));
    const size = textHeaderSize(written);
    if (size !== guess) this.#bytes.copyWithin(this.#at + size, at, at + written);
    this.#textHeader(written, size);
    this.#at += written;
  }

  #textHeader(length: number, size: number): void {
    const bytes = this.#bytes;
    if (size === 1) bytes[this.#at] = 0xa0 | length;
    else if (size === 2) {
      bytes[this.#at] = 0xd9;
      bytes[this.#at + 1] = length;
    } else if (size === 3) {
      bytes[this.#at] = 0xda;
      this.#data.setUint16(this.#at + 1, length);
    } else {
      bytes[this.#at] = 0xdb;
      this.#data.setUint32(this.#at + 1, length);
    }
    this.#at += size;
  }

  #binary(value: Uint8Array): void {
    const table = this.#table?.attachments;
    if (value.length < LEAST_ATTACHED || table === undefined) return this.#within(value);
    // Whatever a subclass makes of it.
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const index = table.add(bytes);
    if (index === undefined) return this.#within(value);
    this.#kind(Kind.attached);
    this.#length(index);
  }

  #within(value: Uint8Array): void {
    const { length } = value;
    this.#reserve(5 + length);
    const bytes = this.#bytes;
    if (length < 0x100) {
      bytes[this.#at++] = 0xc4;
      bytes[this.#at++] = length;
    } else if (length < 0x10000) {
      bytes[this.#at] = 0xc5;
      this.#data.setUint16(this.#at + 1, length);
      this.#at += 3;
    } else {
      bytes[this.#at] = 0xc6;
      this.#data.setUint32(this.#at + 1, length);
      this.#at += 5;
    }
    bytes.set(value, this.#at);
    this.#at += length;
  }

  // --------------------------------------------------------------- objects

  #object(value: object): void {
    if (Array.isArray(value)) this.#array(value as unknown[]);
    else if (isPlain(value) && !(Symbol.asyncIterator in value)) this.#plain(value, undefined);
    else this.#special(value);
  }

  /** Written before: its number is written, and it is true. Otherwise it gets the next number. */
  #isKnown(value: object): boolean {
    const count = this.#objects;
    let number: number | undefined;
    if (count <= FEW) {
      for (let i = 0; i < count; i++) if (this.#few[i] === value) number = i;
      if (number === undefined && count < FEW) this.#few[count] = value;
      else if (number === undefined) {
        this.#all = new Map(this.#few.map((each, i) => [each!, i]));
        this.#all.set(value, count);
      }
    } else {
      number = this.#all!.get(value);
      if (number === undefined) this.#all!.set(value, count);
    }
    if (number === undefined) {
      this.#objects = count + 1;
      return false;
    }
    this.#kind(Kind.again);
    this.#length(number);
    return true;
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) {
      throw new Refusal(`is deeper than ${MAX_DEPTH} levels: pass it in parts, or as text`);
    }
  }

  #array(values: readonly unknown[]): void {
    if (this.#isKnown(values)) return;
    this.#enter();
    const { length } = values;
    this.#arrayHeader(length);
    let i = 0;
    try {
      for (; i < length; i++) this.#value(values[i]);
    } catch (error) {
      throw refusalWithin(error, i);
    }
    this.#depth--;
  }

  #arrayHeader(length: number): void {
    this.#reserve(5);
    if (length < 16) this.#bytes[this.#at++] = 0x90 | length;
    else this.#header(0xdc, length);
  }

  /** `token` for 16 bits of length, the next one for 32. */
  #header(token: number, length: number): void {
    if (length < 0x10000) {
      this.#bytes[this.#at] = token;
      this.#data.setUint16(this.#at + 1, length);
      this.#at += 3;
      return;
    }
    if (length > MAX_BYTES) throw new Refusal(`has ${length} elements, more than can be sent`);
    this.#bytes[this.#at] = token + 1;
    this.#data.setUint32(this.#at + 1, length);
    this.#at += 5;
  }

  /** An object of text keys: all of its own, or those given. */
  #plain(value: object, given: string[] | undefined): void {
    if (this.#isKnown(value)) return;
    const number = this.#objects - 1;
    const keys = given ?? Object.keys(value);
    this.#enter();
    const like = this.#findShape(keys);
    if (like >= 0) {
      this.#kind(Kind.like);
      this.#length(like);
    } else {
      this.#reserve(5);
      if (keys.length < 16) this.#bytes[this.#at++] = 0x80 | keys.length;
      else this.#header(0xde, keys.length);
    }
    let i = 0;
    try {
      for (; i < keys.length; i++) {
        const key = keys[i]!;
        if (like < 0) this.#text(key);
        this.#value((value as Record<string, unknown>)[key]);
      }
    } catch (error) {
      throw refusalWithin(error, keys[i]!);
    }
    this.#depth--;
    // Only from here on: the reader knows its keys when it has read all of it. It has another
    // key for `__proto__`.
    if (like < 0 && i > 0 && !keys.includes("__proto__")) {
      const place = this.#shapeCount++ % SHAPES;
      this.#shapes[place] = keys;
      this.#shapeNumbers[place] = number;
    }
  }

  /** The number of an object that has the same keys; -1: none is known. */
  #findShape(keys: readonly string[]): number {
    const { length } = keys;
    if (this.#shapeCount === 0 || length === 0) return -1;
    const first = keys[0];
    for (let s = Math.min(this.#shapeCount, SHAPES) - 1; s >= 0; s--) {
      const shape = this.#shapes[s]!;
      if (shape.length !== length || shape[0] !== first) continue;
      let i = 1;
      while (i < length && shape[i] === keys[i]) i++;
      if (i === length) return this.#shapeNumbers[s]!;
    }
    return -1;
  }

  /** What is neither an array nor plain. */
  #special(value: object): void {
    if (ArrayBuffer.isView(value)) return this.#view(value);
    const type = this.#table?.references?.find((each) => each.matches(value));
    if (type !== undefined) {
      if (this.#isKnown(value)) return;
      const reference = type.exportObject(value);
      this.#kind(Kind.reference);
      this.#byte(type.tag);
      return this.#value(reference);
    }
    if (isStream(value)) throw new Refusal("is a stream, which can't be sent here");
    if (isError(value)) return this.#error(value);
    const name = builtInOf(value);
    if (name === "Date") return this.#date(value as Date);
    if (hasToJSON(value)) return this.#json(value.toJSON(""));
    if (name === "") return this.#plain(value, keysOf(value));
    this.#builtIn(name, value);
  }

  /** What a `toJSON` gave, whose own `toJSON` isn't asked. */
  #json(value: unknown): void {
    if (typeof value !== "object" || value === null || !hasToJSON(value)) return this.#value(value);
    if (builtInOf(value) === "Date") return this.#date(value as Date);
    this.#plain(value, keysOf(value));
  }

  #builtIn(name: string, value: object): void {
    switch (name) {
      case "Map":
        return this.#map(value as Map<unknown, unknown>);
      case "Set":
        return this.#set(value as Set<unknown>);
      case "RegExp":
        if (this.#isKnown(value)) return;
        this.#kind(Kind.expression);
        this.#text((value as RegExp).source);
        return this.#text((value as RegExp).flags);
      case "ArrayBuffer":
        if (this.#isKnown(value)) return;
        checkAttached(value as ArrayBuffer);
        this.#kind(Kind.buffer);
        return this.#binary(new Uint8Array(value as ArrayBuffer));
      default:
        return this.#value((value as { valueOf(): unknown }).valueOf());
    }
  }

  #date(value: Date): void {
    if (this.#isKnown(value)) return;
    this.#kind(Kind.date);
    this.#reserve(8);
    this.#data.setFloat64(this.#at, Date.prototype.getTime.call(value));
    this.#at += 8;
  }

  #view(value: ArrayBufferView): void {
    if (this.#isKnown(value)) return;
    checkAttached(value.buffer);
    const type = viewTypeOf(value);
    if (type === "Uint8Array") return this.#binary(value as Uint8Array);
    const index = (VIEWS as readonly string[]).indexOf(type);
    if (index < 0) throw new Refusal(`is a ${type}, which can't be sent`);
    this.#kind(Kind.view);
    this.#byte(index);
    this.#binary(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }

  #map(map: Map<unknown, unknown>): void {
    if (this.#isKnown(map)) return;
    this.#enter();
    const entries = [...mapEntries.call(map)];
    this.#kind(Kind.map);
    this.#length(entries.length);
    for (let i = 0; i < entries.length; i++) {
      const [key, value] = entries[i]!;
      try {
        this.#value(key);
        this.#value(value);
      } catch (error) {
        throw refusalWithin(error, typeof key === "string" ? key : i);
      }
    }
    this.#depth--;
  }

  #set(set: Set<unknown>): void {
    if (this.#isKnown(set)) return;
    this.#enter();
    const values = [...setValues.call(set)];
    this.#kind(Kind.set);
    this.#length(values.length);
    let i = 0;
    try {
      for (; i < values.length; i++) this.#value(values[i]);
    } catch (error) {
      throw refusalWithin(error, i);
    }
    this.#depth--;
  }

  #error(error: Error): void {
    if (this.#isKnown(error)) return;
    this.#enter();
    const parts = partsOfError(error, this.#table?.exposeStacks === true);
    this.#kind(Kind.error);
    this.#byte(flagsOf(parts));
    this.#text(parts.name);
    this.#text(parts.message);
    if (parts.stack !== undefined) this.#text(parts.stack);
    if (parts.cause !== undefined) this.#part("cause", parts.cause);
    if (parts.errors !== undefined) this.#part("errors", parts.errors);
    const { properties } = parts;
    if (properties !== undefined) {
      this.#length(properties.length);
      for (const [key, value] of properties) {
        this.#text(key);
        this.#part(key, value);
      }
    }
    this.#depth--;
  }

  #part(key: string, value: unknown): void {
    try {
      this.#value(value);
    } catch (error) {
      throw refusalWithin(error, key);
    }
  }
}

function flagsOf(parts: ReturnType<typeof partsOfError>): number {
  return (parts.stack === undefined ? 0 : ErrorPart.stack) |
    (parts.cause === undefined ? 0 : ErrorPart.cause) |
    (parts.errors === undefined ? 0 : ErrorPart.errors) |
    (parts.properties === undefined ? 0 : ErrorPart.properties) |
    (parts.isDom ? ErrorPart.dom : 0);
}

function textHeaderSize(length: number): number {
  return length < 32 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
}

/** A buffer that was transferred is empty, which its owner may not know. */
function checkAttached(buffer: ArrayBufferLike): void {
  if (buffer.byteLength === 0 && (buffer as { detached?: boolean }).detached === true) {
    throw new Refusal("is in an ArrayBuffer that was transferred: nothing of it is left here");
  }
}
