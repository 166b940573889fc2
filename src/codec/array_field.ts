/**
 * Arrays of a fixed length in a struct.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import { AT, DATA, FieldError, refuse } from "./field.ts";
import type { CompositeField, Field, Place, ScalarField } from "./field.ts";
import { checkFieldSize } from "./text_fields.ts";

/** An array of numbers, booleans, texts or bytes, in place. */
export class ElementsView<T> implements Iterable<T>, Place {
  /** How many elements it has. */
  readonly length: number;
  /** @ignore */
  [DATA]: DataView;
  /** @ignore */
  [AT] = 0;
  readonly #element: ScalarField<T>;

  /** Made by the library only. */
  constructor(data: DataView, element: ScalarField<T>, length: number) {
    this[DATA] = data;
    this.#element = element;
    this.length = length;
  }

  /** Reads an element. @throws {ArgumentError} There is none of that index. */
  get(index: number): T {
    return this.#element.read(this[DATA], this.#offset(index));
  }

  /** Writes an element. @throws {ArgumentError} No such index, or the value doesn't fit. */
  set(index: number, value: T): void {
    this.#element.write(this[DATA], this.#offset(index), value, `[${index}]`);
  }

  #offset(index: number): number {
    checkIndex(index, this.length);
    return this[AT] + index * this.#element.size;
  }

  /** The elements, one after the other. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }
}

/** An array of structs or of arrays, in place: one view that goes from element to element. */
export class NestedView<V> implements Iterable<V>, Place {
  /** How many elements it has. */
  readonly length: number;
  /** @ignore */
  [DATA]: DataView;
  /** @ignore */
  [AT] = 0;
  readonly #element: CompositeField<unknown, V>;
  readonly #view: V;

  /** Made by the library only. */
  constructor(data: DataView, element: CompositeField<unknown, V>, length: number) {
    this[DATA] = data;
    this.#element = element;
    this.#view = element.makeView(data);
    this.length = length;
  }

  /**
   * The view of an element: the same object for each, moved.
   *
   * @throws {ArgumentError} There is none of that index.
   */
  at(index: number): V {
    checkIndex(index, this.length);
    this.#element.place(this.#view, this[AT] + index * this.#element.size);
    return this.#view;
  }

  /** The view of each element in turn, always the same object. */
  *[Symbol.iterator](): Generator<V> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

function checkIndex(index: number, length: number): void {
  if (index >>> 0 === index && index < length) return;
  throw new ArgumentError(`the index ${index} is outside of an array of ${length} elements`);
}

/**
 * So many of a field, one behind the other. Its value is an array of that length.
 *
 * @throws {ArgumentError} The length is out of range.
 */
export function array<T>(
  element: ScalarField<T>,
  length: number,
): CompositeField<T[], ElementsView<T>>;
/** The same for structs and for arrays. */
export function array<T, V>(
  element: CompositeField<T, V>,
  length: number,
): CompositeField<T[], NestedView<V>>;
export function array(element: Field, length: number): CompositeField<unknown[], Place> {
  checkFieldSize("the length of an array", length);
  if (typeof element?.write !== "function") {
    throw new ArgumentError("`array` takes a field, such as f64 or a struct, and a length");
  }
  const size = checkFieldSize("the size of an array, in bytes,", length * element.size);
  return new ArrayField(element, length, size);
}

class ArrayField implements CompositeField<unknown[], Place> {
  readonly composite = true;
  readonly label: string;
  readonly size: number;
  readonly alignment: number;
  readonly #element: Field;
  readonly #length: number;

  constructor(element: Field, length: number, size: number) {
    this.#element = element;
    this.#length = length;
    this.label = `${element.label}[${length}]`;
    this.size = size;
    this.alignment = element.alignment;
  }

  read(data: DataView, at: number): unknown[] {
    const { size } = this.#element;
    const values = new Array(this.#length);
    for (let i = 0; i < values.length; i++) values[i] = this.#element.read(data, at + i * size);
    return values;
  }

  write(data: DataView, at: number, values: unknown[], name: string): void {
    const length = values?.length;
    if (typeof values !== "object" || typeof length !== "number") {
      refuse(name, values, this.label, `an array of ${this.#length} elements`);
    }
    if (length !== this.#length) {
      throw new FieldError(name, `has ${length} elements; ${this.label} takes ${this.#length}`);
    }
    const { size } = this.#element;
    let i = 0;
    try {
      for (; i < length; i++) this.#element.write(data, at + i * size, values[i], `[${i}]`);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      throw error.within(name);
    }
  }

  makeView(data: DataView): Place {
    return this.#element.composite
      ? new NestedView(data, this.#element, this.#length)
      : new ElementsView(data, this.#element, this.#length);
  }

  place(view: Place, at: number): void {
    view[AT] = at;
  }

  accessor(_name: string, offset: number): PropertyDescriptor & ThisType<Place> {
    return viewAccessor(this, offset);
  }
}

/** Shows a field with others in it: the view of it is made once, and moved along. */
export function viewAccessor<V>(
  field: CompositeField<unknown, V>,
  offset: number,
): PropertyDescriptor & ThisType<Place> {
  const views = Symbol("view");
  return {
    get(this: Place & { [views]?: V }) {
      const view = this[views] ??= field.makeView(this[DATA]);
      field.place(view, this[AT] + offset);
      return view;
    },
  };
}
