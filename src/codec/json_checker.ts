/**
 * Finds in a value what JSON would leave out, or make to `{}`.
 *
 * @module
 */
import { isStream } from "./codec.ts";
import { Refusal } from "./refusal.ts";
import { builtInOf, isError, isPlain, keysOf, tagOf } from "./value_kind.ts";

const INSTEAD = "which JSON can't carry: use MessagePack";

/** For one value. */
export class JsonChecker {
  /** For JSON.stringify, which calls it with each value and the object that it is in. */
  readonly replace: (this: object, key: string, value: unknown) => unknown;
  readonly #maxDepth: number;
  /** What the current value is in, from the outside to the inside, with their keys. */
  readonly #holders: object[] = [];
  readonly #keys: string[] = [];

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
    // deno-lint-ignore no-this-alias -- JSON.stringify gives the holder as `this`
    const checker = this;
    this.replace = function (key, value): unknown {
      const refusal = checker.#refusalOf(this, key, value);
      if (refusal !== undefined) throw checker.#place(this, key, refusal);
      if (typeof value === "object" && value !== null) checker.#enter(this, key, value);
      return value;
    };
  }

  #refusalOf(holder: object, key: string, value: unknown): Refusal | undefined {
    if (typeof value === "object" && value !== null) {
      if (Array.isArray(value)) return undefined;
      if (!isPlain(value) || Symbol.asyncIterator in value) return refusalOf(value);
      // What the `toJSON` of a Node Buffer gives.
      const isBuffer = (value as { type?: unknown }).type === "Buffer" &&
        ArrayBuffer.isView((holder as Record<string, unknown>)[key]);
      return isBuffer ? new Refusal(`is a Buffer, ${INSTEAD}`) : undefined;
    }
    const type = typeof value;
    return type === "function" || type === "bigint" || type === "symbol"
      ? new Refusal(`is a ${type}, ${INSTEAD}`)
      : undefined;
  }

  /** The holders are those of the value that is looked at now. */
  #leave(holder: object): void {
    const holders = this.#holders;
    while (holders.length > 0 && holders[holders.length - 1] !== holder) {
      holders.pop();
      this.#keys.pop();
    }
  }

  #enter(holder: object, key: string, value: object): void {
    this.#leave(holder);
    if (this.#holders.length >= this.#maxDepth) {
      const reason = `is deeper than ${this.#maxDepth} levels: pass it in parts, or as text`;
      throw this.#place(holder, key, new Refusal(reason));
    }
    this.#holders.push(value);
    this.#keys.push(key);
  }

  /** With the way to it, from the inside to the outside. The outermost key is "" of no object. */
  #place(holder: object, key: string, refusal: Refusal): Refusal {
    this.#leave(holder);
    const holders = this.#holders;
    if (holders.length === 0) return refusal;
    refusal.within(nameIn(holder, key));
    for (let i = holders.length - 1; i > 0; i--) {
      refusal.within(nameIn(holders[i - 1]!, this.#keys[i]!));
    }
    return refusal;
  }
}

function nameIn(holder: object, key: string): string | number {
  return Array.isArray(holder) ? Number(key) : key;
}

/** Why an object that is neither plain nor an array can't be JSON. */
function refusalOf(value: object): Refusal | undefined {
  if (isStream(value)) return new Refusal(`is a stream, ${INSTEAD}`);
  if (isError(value)) return new Refusal(`is an error, ${INSTEAD}, or throw it`);
  const name = ArrayBuffer.isView(value) ? tagOf(value) : builtInOf(value);
  if (["Number", "String", "Boolean"].includes(name)) return undefined;
  if (name !== "") return new Refusal(`is a ${name}, ${INSTEAD}`);
  try {
    keysOf(value);
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}
