/**
 * Structs: values of a fixed layout, the one that a C compiler gives the same fields,
 * and views that read and write them where they are.
 *
 * Guarantees: fields in the order given, each at the next multiple of its alignment
 * (a number's own size, 1 for texts and bytes, the largest one inside for arrays and
 * structs), the size a multiple of the largest alignment, little-endian. A value that
 * doesn't fit is an {@linkcode ArgumentError} that names the field.
 *
 * @module
 */
import { ArgumentError, CodecError } from "../errors.ts";
import { AT, DATA, FieldError, refuse } from "./field.ts";
import type { CompositeField, Field, Place, ScalarField } from "./field.ts";
import { viewAccessor } from "./array_field.ts";
import type { FixedCodec } from "./typed_codec.ts";

/** The fields of a struct by name, in the order they have in memory. */
export type Fields = Readonly<Record<string, Field>>;

/** The values that a struct of these fields has. */
export type StructValue<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends { read(data: DataView, at: number): infer T } ? T : never;
};

/** How views show these fields: single values to read and assign, structs and arrays as views. */
export type StructView<F extends Fields> =
  & ViewCursor<StructValue<F>>
  & {
    -readonly [K in keyof F as F[K] extends ScalarField<infer _> ? K : never]: F[K] extends
      ScalarField<infer T> ? T : never;
  }
  & {
    readonly [K in keyof F as F[K] extends { composite: true } ? K : never]: F[K] extends
      { makeView(data: DataView): infer V } ? V : never;
  };

/** Bytes of padding aren't named, so neither are those who would hide these. */
const RESERVED = ["at", "move", "get", "set", "constructor", "__proto__"];

/**
 * What every view has besides the fields. A view is moved, not made anew: going
 * through a million structs allocates nothing.
 */
export class ViewCursor<T> implements Place {
  /** @ignore */
  [DATA]: DataView;
  /** @ignore */
  [AT]: number;
  #start: number;
  #end: number;
  readonly #codec: StructCodec<T, unknown>;

  /** Made by the library only. */
  constructor(codec: StructCodec<T, unknown>, data: DataView) {
    this.#codec = codec;
    this[DATA] = data;
    this[AT] = 0;
    this.#start = 0;
    this.#end = data.byteLength;
  }

  /**
   * Goes to a struct of an array: the `index`th after the offset where the view was
   * put. Returns the view.
   *
   * @throws {ArgumentError} There is none of that index.
   */
  at(index: number): this {
    const { size } = this.#codec;
    const at = this.#start + index * size;
    if (!(index >= 0 && at + size <= this.#end) || !Number.isInteger(index)) {
      const count = Math.floor((this.#end - this.#start) / size);
      throw new ArgumentError(`the index ${index} is outside of ${count} structs`);
    }
    this[AT] = at;
    return this;
  }

  /**
   * Puts the view at an offset, in bytes. Returns the view.
   *
   * @throws {ArgumentError} The struct would be outside of the bytes.
   */
  move(offset: number): this {
    const last = this[DATA].byteLength - this.#codec.size;
    if (!(offset >= 0 && offset <= last) || !Number.isInteger(offset)) {
      throw new ArgumentError(
        `an offset is a whole number from 0 to ${last} for a struct of ${this.#codec.size} bytes ` +
          `in ${this[DATA].byteLength}, got ${offset}`,
      );
    }
    this.#start = this[AT] = offset;
    this.#end = this[DATA].byteLength;
    return this;
  }

  /** Reads the whole struct. */
  get(): T {
    return this.#codec.decodeFrom(this[DATA], this[AT]);
  }

  /**
   * Writes the whole struct.
   *
   * @throws {ArgumentError} A value doesn't fit; fields before it were written.
   */
  set(value: T): void {
    this.#codec.encodeInto(value, this[DATA], this[AT]);
  }

  /** @ignore Shows `count` structs from an offset on, and no others. */
  static show(view: ViewCursor<unknown>, offset: number, count: number): void {
    view.#start = view[AT] = offset;
    view.#end = offset + count * view.#codec.size;
  }
}

/** A struct's layout: codec, view and, inside of another struct, field. See {@linkcode struct}. */
export class StructCodec<T, V> implements FixedCodec<T>, CompositeField<T, V> {
  /** The layout as text: two structs understand each other if it is the same. */
  readonly name: string;
  /** The same; {@linkcode struct} with other fields has another one. */
  readonly label: string;
  /** Bytes of each value, a multiple of {@linkcode StructCodec.alignment}. */
  readonly size: number;
  /** The largest alignment of a field. */
  readonly alignment: number;
  /** Where each field is, in bytes. */
  readonly offsets: Readonly<Record<string, number>>;
  /** See {@linkcode Codec}. */
  readonly output = "fresh";
  /** See {@linkcode Codec}. */
  readonly carriesReferences = false;
  /** It has fields inside. */
  readonly composite = true;
  readonly #names: string[] = [];
  readonly #fields: Field[] = [];
  readonly #places: number[] = [];
  readonly #View: new (codec: StructCodec<T, unknown>, data: DataView) => ViewCursor<T>;

  /** Made by {@linkcode struct}. */
  constructor(fields: Fields) {
    let size = 0;
    let alignment = 1;
    this.#View = class extends ViewCursor<T> {};
    for (const [name, field] of Object.entries(checkFields(fields))) {
      const offset = roundUp(size, field.alignment);
      Object.defineProperty(this.#View.prototype, name, {
        ...field.accessor(name, offset),
        enumerable: true,
      });
      this.#names.push(name);
      this.#fields.push(field);
      this.#places.push(offset);
      size = offset + field.size;
      alignment = Math.max(alignment, field.alignment);
    }
    this.size = roundUp(size, alignment);
    this.alignment = alignment;
    this.offsets = Object.fromEntries(this.#names.map((name, i) => [name, this.#places[i]!]));
    const parts = this.#names.map((name, i) => `${JSON.stringify(name)}:${this.#fields[i]!.label}`);
    this.name = this.label = `struct{${parts.join(",")}}`;
  }

  /** The value as bytes of its own. @throws {ArgumentError} It doesn't fit. */
  encode(value: T): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    this.encodeInto(value, new DataView(bytes.buffer), 0);
    return bytes;
  }

  /** The value of {@linkcode StructCodec.size} bytes. @throws {CodecError} There are more or less. */
  decode(bytes: Uint8Array): T {
    if (bytes.length !== this.size) {
      throw new CodecError(`${bytes.length} bytes are no struct of ${this.size}: ${this.name}`);
    }
    return this.decodeFrom(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  }

  /** Writes a value in place. @throws {ArgumentError} It doesn't fit. */
  encodeInto(value: T, target: DataView, offset: number): void {
    if (typeof value !== "object" || value === null) {
      throw new ArgumentError(`a struct's value is an object with its fields, got ${value}`);
    }
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i++) {
      const name = this.#names[i]!;
      const field = (value as Record<string, unknown>)[name];
      fields[i]!.write(target, offset + this.#places[i]!, field, name);
    }
  }

  /** Reads a value in place. */
  decodeFrom(source: DataView, offset: number): T {
    const value: Record<string, unknown> = {};
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i++) {
      value[this.#names[i]!] = fields[i]!.read(source, offset + this.#places[i]!);
    }
    return value as T;
  }

  /**
   * A view of the struct at an offset, or of an array of structs that begins there.
   * It reads and writes the bytes themselves.
   *
   * @throws {ArgumentError} The struct would be outside of the bytes.
   */
  view(bytes: Uint8Array, offset = 0): V {
    if (!(bytes instanceof Uint8Array)) {
      throw new ArgumentError("a view is one of a Uint8Array; for other arrays make one of theirs");
    }
    const view = this.makeView(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    (view as ViewCursor<T>).move(offset);
    return view;
  }

  /** @ignore */
  makeView(data: DataView): V {
    return new this.#View(this, data) as V;
  }

  /** @ignore */
  place(view: V, at: number): void {
    ViewCursor.show(view as ViewCursor<T>, at, 1);
  }

  /** @ignore */
  read(data: DataView, at: number): T {
    return this.decodeFrom(data, at);
  }

  /** @ignore */
  write(data: DataView, at: number, value: T, name: string): void {
    if (typeof value !== "object" || value === null) {
      refuse(name, value, "a struct", "an object with its fields");
    }
    try {
      this.encodeInto(value, data, at);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      throw error.within(name);
    }
  }

  /** @ignore */
  accessor(_name: string, offset: number): PropertyDescriptor {
    return viewAccessor(this, offset);
  }
}

function roundUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function checkFields(fields: Fields): Fields {
  if (typeof fields !== "object" || fields === null || Object.keys(fields).length === 0) {
    throw new ArgumentError("a struct is given an object with its fields, at least one");
  }
  for (const [name, field] of Object.entries(fields)) {
    if (RESERVED.includes(name)) {
      throw new ArgumentError(
        `a struct's field can't be called "${name}": views have that already`,
      );
    }
    if (/^\d+$/.test(name)) {
      throw new ArgumentError(`a struct's field can't be called "${name}": numbers have no order`);
    }
    if (typeof field?.write !== "function" || typeof field.accessor !== "function") {
      throw new ArgumentError(
        `the struct's field "${name}" is a type such as u32, fixedString(16), array(f64, 4) or struct({ … })`,
      );
    }
  }
  return fields;
}

/**
 * A struct: a codec for objects whose fields have fixed sizes. It has the layout
 * that C gives the same fields on every system that this library runs on, so that a
 * program in another language can read it.
 *
 * A value needs all fields; others that it has are left out. Structs can be fields of
 * structs, and elements of arrays.
 *
 * @throws {ArgumentError} There is no field, a name is reserved (`at`, `move`, `get`,
 * `set`, `constructor`, `__proto__`, numbers), or a field isn't one.
 *
 * @example
 * ```ts
 * import { array, f64, fixedString, struct, u32, u8 } from "@causeway/ipc";
 *
 * const Trade = struct({
 *   id: u32, //                  offset 0
 *   price: f64, //               offset 8
 *   side: u8, //                 offset 16
 *   name: fixedString(15), //    offset 17
 *   legs: array(f64, 4), //      offset 32
 * }); //                         size 64
 * const bytes = Trade.encode({ id: 1, price: 99.5, side: 0, name: "ACME", legs: [1, 2, 3, 4] });
 * const view = Trade.view(bytes);
 * view.price += view.legs.get(2);
 * console.log(view.price, view.name);
 * ```
 */
export function struct<const F extends Fields>(
  fields: F,
): StructCodec<StructValue<F>, StructView<F>> {
  return new StructCodec(fields);
}
