/**
 * SharedArray: a typed array that several processes see.
 *
 * @module
 */
import { ArgumentError, NotSharedError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import { elementType } from "./elements.ts";
import type { ElementName, ElementTypes, TypedArray, TypedArrayConstructor } from "./elements.ts";
import { openMemory, SharedMemory } from "./shared_memory.ts";

/** A type of elements: its short name, or the constructor of a typed array. */
export type SharedArrayType = ElementName | TypedArrayConstructor;

/** The typed array for a {@linkcode SharedArrayType}. */
export type SharedArrayOf<T extends SharedArrayType> = T extends ElementName ? ElementTypes[T]
  : T extends TypedArrayConstructor<infer A> ? A
  : never;

/** Options of {@linkcode SharedArray.open}. */
export interface SharedArrayOptions<T extends SharedArrayType> {
  /** `"f64"` or `Float64Array`, and so on. */
  type: T;
  /** Number of elements. May be left out when the array exists. */
  length?: number;
  /** It stays when nobody has it open any more, until {@linkcode SharedMemory.remove}. Default false. */
  durable?: boolean;
  /** The runtime directory: an absolute path. Default: `CAUSEWAY_DIR`, or a private one of the user. */
  directory?: string;
  /** Gives up opening. */
  signal?: AbortSignal;
}

const OPTIONS = [
  "type",
  "length",
  "durable",
  "directory",
  "signal",
] as const satisfies readonly (keyof SharedArrayOptions<"u8">)[];

/**
 * A typed array over {@linkcode SharedMemory}. `Atomics` work on arrays of integers,
 * between processes too; only `Atomics.wait` and `notify` don't.
 *
 * @example
 * ```ts
 * import { SharedArray } from "@causeway/ipc";
 *
 * using counters = await SharedArray.open("counters", { type: Int32Array, length: 16 });
 * Atomics.add(counters.array, 0, 1);
 * ```
 */
export class SharedArray<T extends TypedArray> implements Disposable {
  /** The memory it is in; pass this on by reference. */
  readonly memory: SharedMemory;
  /** The elements; empty once it is closed. */
  readonly array: T;

  private constructor(memory: SharedMemory, array: T) {
    this.memory = memory;
    this.array = array;
  }

  /**
   * Opens an array by its name, or makes it, all zero.
   *
   * @throws {ArgumentError} There is none, and no `length` to make it with.
   * @throws {ParameterMismatchError} It has another type or length.
   * @throws {NoSpaceError} The file system can't hold it.
   * @throws {LimitError} This runtime has no buffers of that size (Bun: 4 GiB).
   * @throws {TimeoutError} A process that is stopped holds the lock of its folder.
   */
  static async open<T extends SharedArrayType>(
    name: string,
    options: SharedArrayOptions<T>,
  ): Promise<SharedArray<SharedArrayOf<T>>> {
    if (options === undefined) {
      throw new ArgumentError('give a `type`: SharedArray.open(name, { type: "f64", length })');
    }
    checkOptions(options, OPTIONS);
    const { length, type: wanted, ...rest } = options;
    const type = elementType(wanted);
    const size = length === undefined ? undefined : sizeOf(length, type.constructor);
    const all = size === undefined ? rest : { ...rest, size };
    const memory = await openMemory(name, all, type.number);
    try {
      return SharedArray.of(memory, wanted);
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  /**
   * All of a memory as an array, for example of one that came by reference. What is
   * left over at its end isn't part of it.
   *
   * @throws {NotSharedError} It isn't a `SharedMemory`.
   * @throws {ArgumentError} It is too small for one element.
   * @throws {ClosedError} It was closed.
   */
  static of<T extends SharedArrayType>(
    memory: SharedMemory,
    type: T,
  ): SharedArray<SharedArrayOf<T>> {
    if (!(memory instanceof SharedMemory)) {
      throw new NotSharedError(memory === null ? "null" : Object(memory).constructor.name);
    }
    const { constructor, name } = elementType(type);
    const bytes = constructor.BYTES_PER_ELEMENT;
    const length = Math.floor(memory.size / bytes);
    if (length === 0) {
      throw new ArgumentError(
        `the memory has ${memory.size} bytes, and one element of ${name} has ${bytes}`,
      );
    }
    const array = new constructor(memory.buffer, 0, length);
    return new SharedArray(memory, array as SharedArrayOf<T>);
  }

  /** Number of elements; 0 once it is closed. */
  get length(): number {
    return this.array.length;
  }

  /** Closes the memory it is in. */
  close(): void {
    this.memory.close();
  }

  /** The same as {@linkcode SharedArray.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function sizeOf(length: number, { BYTES_PER_ELEMENT }: TypedArrayConstructor): number {
  if (Number.isSafeInteger(length) && length > 0) return length * BYTES_PER_ELEMENT;
  throw new ArgumentError(
    `\`length\` is a whole number of elements from 1, got ${show(length)}`,
  );
}
