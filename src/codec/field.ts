/**
 * What a field of a struct is, and how what is wrong with its value is told.
 *
 * @module
 */
import { show } from "../options.ts";
import { ArgumentError } from "../errors.ts";

/** The memory that a view shows. */
export const DATA: unique symbol = Symbol("data");
/** Where in it the view is, in bytes. */
export const AT: unique symbol = Symbol("at");

/** A view as its fields' accessors see it. */
export interface Place {
  [DATA]: DataView;
  [AT]: number;
}

/** What all fields have in common. Made by this package only. */
export interface BaseField<T> {
  /** What it is, in messages and in the names of codecs. */
  readonly label: string;
  /** Bytes that it takes. */
  readonly size: number;
  /** Its offset is a multiple of that: as in C. */
  readonly alignment: number;
  /** Reads its value; no bytes are wrong. */
  read(data: DataView, at: number): T;
  /** Writes its value; throws {@linkcode FieldError} if it doesn't fit. */
  write(data: DataView, at: number, value: T, name: string): void;
  /** The property that shows it in a view. */
  accessor(name: string, offset: number): PropertyDescriptor & ThisType<Place>;
}

/** A field with one value: a number, a boolean, a text, bytes. */
export interface ScalarField<T> extends BaseField<T> {
  /** Views read it, and write it by assignment. */
  readonly composite: false;
}

/** A field with others in it: a view shows `V` for it, in place. */
export interface CompositeField<T, V> extends BaseField<T> {
  /** Views have a view of it. */
  readonly composite: true;
  /** A view of it, with {@linkcode CompositeField.place}. */
  makeView(data: DataView): V;
  /** Puts such a view somewhere else. */
  place(view: V, at: number): void;
}

/** A field of a struct: see {@linkcode struct}. */
// deno-lint-ignore no-explicit-any -- whatever its value and its view are
export type Field = ScalarField<any> | CompositeField<any, any>;

/** An {@linkcode ArgumentError} that knows where in a struct the value is. */
export class FieldError extends ArgumentError {
  readonly #path: string;
  readonly #detail: string;

  constructor(path: string, detail: string) {
    super(`the struct's field ${path} ${detail}`);
    this.name = "ArgumentError";
    this.#path = path;
    this.#detail = detail;
  }

  /** The same of a value that is in no struct. */
  of(what: string): ArgumentError {
    return new ArgumentError(`${what} ${this.#detail}`);
  }

  /** The same, seen from what the struct or array is in. */
  within(name: string): FieldError {
    const dot = this.#path.startsWith("[") ? "" : ".";
    return new FieldError(`${name}${dot}${this.#path}`, this.#detail);
  }
}

/** A value as messages show it. */
export function showValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
    default:
      return show(value);
  }
}

/** Throws what is wrong with a value. */
export function refuse(name: string, value: unknown, label: string, wanted: string): never {
  const problem = value === undefined ? "is missing" : `is ${showValue(value)}`;
  throw new FieldError(name, `${problem}; ${label} takes ${wanted}`);
}
