/**
 * What an object is, whatever realm it is of (`node:vm`, a frame, jsdom) and whatever class
 * extends it: found by what the engine keeps inside of it, never by `instanceof`.
 *
 * @module
 */
import { Refusal } from "./refusal.ts";

const toText = Object.prototype.toString;
const prototypeOf = Object.getPrototypeOf;

/** An object of braces or without a prototype, of this or of another realm. */
export function isPlain(value: object): boolean {
  const prototype = prototypeOf(value) as object | null;
  return prototype === Object.prototype || prototype === null || prototypeOf(prototype) === null;
}

const isErrorHere = (Error as { isError?: (value: unknown) => boolean }).isError;

/** An error of any realm, `DOMException` included. */
export function isError(value: unknown): value is Error {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Error || isErrorHere?.(value) === true) return true;
  const tag = tagOf(value);
  return tag === "Error" || tag === "DOMException";
}

/** What `Object.prototype.toString` says, which any object can claim. */
export function tagOf(value: object): string {
  return toText.call(value).slice(8, -1);
}

/** A getter of a prototype: it throws unless the object really is one. */
function getter(prototype: object, key: PropertyKey): (this: unknown) => unknown {
  return Object.getOwnPropertyDescriptor(prototype, key)!.get!;
}

const viewName = getter(prototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag);

/** The name of its type: `Uint8Array` for a Node `Buffer`, too. */
export function viewTypeOf(view: ArrayBufferView): string {
  return (viewName.call(view) as string | undefined) ?? "DataView";
}

const PROOFS: Readonly<Record<string, (this: unknown) => unknown>> = {
  Map: getter(Map.prototype, "size"),
  Set: getter(Set.prototype, "size"),
  Date: Date.prototype.getTime,
  RegExp: getter(RegExp.prototype, "source"),
  ArrayBuffer: getter(ArrayBuffer.prototype, "byteLength"),
  Number: Number.prototype.valueOf,
  String: String.prototype.valueOf,
  Boolean: Boolean.prototype.valueOf,
  BigInt: BigInt.prototype.valueOf,
};

/** The tag of an object of the language, if it is one and doesn't just say so; otherwise "". */
export function builtInOf(value: object): string {
  const tag = tagOf(value);
  if (!Object.hasOwn(PROOFS, tag)) return "";
  try {
    PROOFS[tag]!.call(value);
    return tag;
  } catch {
    return "";
  }
}

/** Has it a `toJSON` of its own or of its class? */
export function hasToJSON(value: object): value is { toJSON(key: string): unknown } {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}

/**
 * The keys of an object of a class, whose own properties cross.
 *
 * @throws {Refusal} It has none, so that nothing of it would: it keeps what it is elsewhere.
 */
export function keysOf(value: object): string[] {
  if (typeof (value as { then?: unknown }).then === "function") {
    throw new Refusal("is a Promise: await it before it is sent (was an `await` forgotten?)");
  }
  const keys = Object.keys(value);
  if (keys.length > 0 && !isOfPlatform(value)) return keys;
  throw new Refusal(`is ${describe(value)}, which can't be sent: ${adviceFor(value)}`);
}

/** Has one of its classes methods of the engine's, as those of the web's interfaces? */
function isOfPlatform(value: object): boolean {
  const tag = tagOf(value);
  if (tag === "Object") return false;
  const own = (globalThis as Record<string, unknown>)[tag] as
    | { prototype?: unknown }
    | undefined;
  return typeof own === "function" && own.prototype === prototypeOf(value);
}

/** `a Response`, `an object of class Counter` */
function describe(value: object): string {
  const tag = tagOf(value);
  if (tag !== "Object") return `${/^[AEIO]/.test(tag) ? "an" : "a"} ${tag}`;
  const { constructor } = value as { constructor?: unknown };
  const name = typeof constructor === "function" ? constructor.name : "";
  return name === "" ? "an object without properties of its own" : `an object of class ${name}`;
}

function adviceFor(value: object): string {
  if (typeof (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] === "function") {
    return "pass an array of what it gives, as by `[...it]`, or an async iterable";
  }
  return "it has no properties of its own; pass a plain object with what is needed of it, or give " +
    "it a `toJSON`";
}
