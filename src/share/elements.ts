/**
 * Types of the elements of shared arrays.
 *
 * @module
 */
import { show } from "../options.ts";
import { ArgumentError } from "../errors.ts";

/** Short names of element types, and the typed arrays that they stand for. */
export interface ElementTypes {
  u8: Uint8Array<ArrayBuffer>;
  i8: Int8Array<ArrayBuffer>;
  u16: Uint16Array<ArrayBuffer>;
  i16: Int16Array<ArrayBuffer>;
  u32: Uint32Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  f32: Float32Array<ArrayBuffer>;
  f64: Float64Array<ArrayBuffer>;
  u64: BigUint64Array<ArrayBuffer>;
  i64: BigInt64Array<ArrayBuffer>;
}

/** The short name of an element type. */
export type ElementName = keyof ElementTypes;

/** A typed array of any element type. */
export type TypedArray = ElementTypes[ElementName];

/** The constructor of a typed array, as far as it is needed here. */
export interface TypedArrayConstructor<T extends TypedArray = TypedArray> {
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
  readonly BYTES_PER_ELEMENT: number;
}

/** Each type's place in this list, plus 1, is its number in shared memory. */
const TYPES: readonly [ElementName, TypedArrayConstructor][] = [
  ["u8", Uint8Array],
  ["i8", Int8Array],
  ["u16", Uint16Array],
  ["i16", Int16Array],
  ["u32", Uint32Array],
  ["i32", Int32Array],
  ["f32", Float32Array],
  ["f64", Float64Array],
  ["u64", BigUint64Array],
  ["i64", BigInt64Array],
];

/** An element type. */
export interface ElementType {
  readonly name: ElementName;
  /** Its number in shared memory. */
  readonly number: number;
  readonly constructor: TypedArrayConstructor;
}

/** The element type that a user names, by its short name or the constructor. */
export function elementType(type: unknown): ElementType {
  const at = TYPES.findIndex(([name, constructor]) => type === name || type === constructor);
  const found = TYPES[at];
  if (found !== undefined) return { name: found[0], number: at + 1, constructor: found[1] };
  const given = typeof type === "function" ? type.name : show(type);
  throw new ArgumentError(
    `\`type\` is one of ${TYPES.map(([name]) => `"${name}"`).join(", ")}, or the constructor of ` +
      `such a typed array (Float64Array, …), got ${given}`,
  );
}

/** The name of an element type's number, for messages. */
export function elementName(number: number): string {
  return number === 0 ? "plain bytes" : TYPES[number - 1]?.[0] ?? `unknown (${number})`;
}
