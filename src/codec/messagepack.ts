/**
 * MessagePack as a codec, the default: nearly all that `structuredClone` carries,
 * and functions. The format and its extensions are those of `msgpackr`.
 *
 * @module
 */
import { addExtension, Packr } from "msgpackr/pack";
import { CausewayError, CodecError } from "../errors.ts";
import { isStream } from "./codec.ts";
import type { Codec, FunctionTable, ReferenceType } from "./codec.ts";
import { describeError, reviveError } from "./failure.ts";
import type { Failure } from "./failure.ts";

/** Stands for a function in a message. */
class FunctionReference {
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }
}

/** Whatever crosses by reference, or would have to: msgpackr asks `instanceof`. */
class Referable {
  static [Symbol.hasInstance](value: object): boolean {
    return referenceTypeOf(value) !== undefined || isStream(value);
  }
}

function referenceTypeOf(value: object): ReferenceType | undefined {
  return table?.references?.find((type) => type.matches(value));
}

/** Types of our extensions: ASCII `f`, `o`, `E` and `h`, which msgpackr doesn't use. */
const FUNCTION_TYPE = 0x66;
const REFERENCE_TYPE = 0x6f;
const ERROR_TYPE = 0x45;
const FLOAT16_TYPE = 0x68;

/** The table for the value that is being encoded or decoded. Neither can be interrupted. */
let table: FunctionTable | undefined;

addExtension({
  Class: FunctionReference,
  type: FUNCTION_TYPE,
  write: (reference: FunctionReference) => reference.id,
  read(id: unknown) {
    if (table === undefined || typeof id !== "number") {
      throw new CodecError("a function arrived where none can be called");
    }
    return table.importFunction(id);
  },
});

addExtension({
  Class: Referable,
  type: REFERENCE_TYPE,
  write(value: object) {
    const type = referenceTypeOf(value);
    if (type === undefined) throw new CodecError("a stream can't be sent here");
    return [type.tag, type.exportObject(value)];
  },
  read(pair: unknown) {
    const [tag, reference] = Array.isArray(pair) ? pair as unknown[] : [];
    const type = table?.references?.find((each) => each.tag === tag);
    if (type === undefined) {
      throw new CodecError(
        `an object by reference arrived (${String(tag)}), where none can be used`,
      );
    }
    return type.importObject(reference);
  },
});

// The same errors arrive whether they are thrown or passed. Stacks stay at home.
addExtension({
  Class: Error,
  type: ERROR_TYPE,
  write: (error: Error) => describeError(error, false),
  read: (failure: unknown) => reviveError(failure as Failure),
});

const Float16 = (globalThis as unknown as { Float16Array?: typeof Uint16Array }).Float16Array;
if (Float16 !== undefined) {
  addExtension({
    Class: Float16,
    type: FLOAT16_TYPE,
    write: ({ buffer, byteOffset, byteLength }: Uint16Array) =>
      new Uint8Array(buffer, byteOffset, byteLength),
    read: (bytes: unknown) => new Float16((bytes as Uint8Array<ArrayBuffer>).slice().buffer),
  });
}

const packr = new Packr({ structuredClone: true, moreTypes: true, useBigIntExtension: true });
(packr as unknown as { writeFunction: unknown }).writeFunction = (
  value: (...args: never[]) => unknown,
) => {
  if (table === undefined) throw new CodecError("a function can't be sent here");
  return new FunctionReference(table.exportFunction(value));
};

/**
 * Carries text, numbers, big integers, dates, maps, sets, regular expressions,
 * array buffers and their views, errors (all but the stack), shared and cyclic
 * references, functions and streams.
 *
 * What changes on the way: an object of a class arrives as a plain one, or as what
 * its `toJSON` gives; holes in arrays become `undefined`, `-0` becomes `0`, halves
 * of surrogate pairs become U+FFFD. A symbol is a {@linkcode CodecError}.
 * `docs/guide.md` has the whole table.
 */
export const messagePack: Codec = {
  name: "messagepack",
  output: "fresh",
  encode(value, functions) {
    const outer = table;
    table = functions;
    try {
      return packr.pack(value);
    } catch (cause) {
      throw codecError("encode the value", cause);
    } finally {
      table = outer;
    }
  },
  decode(bytes, functions) {
    const outer = table;
    table = functions;
    try {
      return packr.unpack(bytes);
    } catch (cause) {
      throw codecError(`read these ${bytes.length} bytes`, cause);
    } finally {
      table = outer;
    }
  },
};

function codecError(what: string, cause: unknown): CausewayError {
  if (cause instanceof CausewayError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CodecError(`MessagePack can't ${what}: ${reason}`, { cause });
}
