/**
 * Errors across processes: name, message, stack, cause and own properties.
 *
 * @module
 */
import { textOf } from "../options.ts";
import * as errors from "../errors.ts";
import { CausewayError, CodecError, RemoteError } from "../errors.ts";
import { carryStack, markRemote } from "../stacks.ts";
import type { Codec, FunctionTable } from "./codec.ts";
import { isError, tagOf } from "./value_kind.ts";

/** What an error is made of. */
export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause: unknown;
  /** Of an AggregateError. */
  readonly errors: readonly unknown[] | undefined;
  /** Its own properties; undefined if there are none. */
  readonly properties: readonly (readonly [string, unknown])[] | undefined;
  /** It is a DOMException. */
  readonly isDom: boolean;
}

/** What crosses for one thrown value with a codec that doesn't carry errors. */
interface Failure {
  name?: string;
  message?: string;
  stack?: string;
  cause?: Failure;
  errors?: Failure[];
  properties?: Record<string, unknown>;
  dom?: true;
  /** What was thrown, if it is no Error. */
  thrown?: unknown;
}

/** Causes and errors in errors deeper than this are cut, where they are described one by one. */
const MAX_DEPTH = 8;
/** So many errors are described, or made of a description; the rest is cut. */
const MAX_ERRORS = 1000;
/**
 * So many bytes are encoded, and so often in vain, to find out which parts of an error can cross;
 * the rest is cut. All of its parts can be the same large value, or hold it.
 */
const MOST_TRIED = 16 << 20;
const MOST_REFUSALS = 16;
const OWN = new Set(["name", "message", "stack", "cause", "errors"]);

/** What is thrown may be made to throw when it is looked at. */
function attempt<T>(task: () => T, fallback: T): T {
  try {
    return task();
  } catch {
    return fallback;
  }
}

/** The parts of an error of any realm. Those that can't be read are left out. */
export function partsOfError(error: Error, withStack: boolean): ErrorParts {
  const stack = withStack ? attempt(() => error.stack, undefined) : undefined;
  const properties = attempt(() => Object.entries(error), []).filter(([key]) => !OWN.has(key));
  return {
    name: attempt(() => textOf(error.name), "Error"),
    message: attempt(() => textOf(error.message), "an error that can't be read"),
    stack: typeof stack === "string" ? stack : undefined,
    cause: attempt(() => error.cause, undefined),
    errors: attempt(() => errorsOf(error), undefined),
    properties: properties.length > 0 ? properties : undefined,
    isDom: attempt(() => tagOf(error) === "DOMException", false),
  };
}

/** The errors of an AggregateError of any realm, which are a hidden property of its own. */
function errorsOf(error: Error): readonly unknown[] | undefined {
  const own = Object.getOwnPropertyDescriptor(error, "errors");
  return own?.enumerable === false && Array.isArray(own.value) ? own.value : undefined;
}

/** Bytes that describe a thrown value; without its stack if `withStack` is false. */
export function encodeFailure(
  codec: Codec,
  error: unknown,
  withStack: boolean,
): Uint8Array<ArrayBuffer> {
  const table = withStack ? WITH_STACKS : NO_TABLE;
  const encode = (value: unknown): Uint8Array =>
    codec.carriesErrors === true
      ? codec.encode(value, table)
      : codec.encode(describe(value, withStack));
  try {
    return encode(error) as Uint8Array<ArrayBuffer>;
  } catch {
    // Something in it can't cross. What it is called and says always can.
    return encode(attempt(() => reduce(error, codec, newBudget()), UNREADABLE)) as Uint8Array<
      ArrayBuffer
    >;
  }
}

const UNREADABLE = new Error("an error that can't be read");

/** What comes with a failure, and can't be called or read when it has arrived. */
const NO_TABLE: FunctionTable = {
  exportFunction() {
    throw new CodecError("a function can't be sent with an error");
  },
  importFunction() {
    throw new CodecError("a function arrived with an error");
  },
};
const WITH_STACKS: FunctionTable = { ...NO_TABLE, exposeStacks: true };

/** What all that is made of one error share. */
interface Budget {
  /** Errors and properties. */
  left: number;
  /** Bytes of what was encoded to see whether it can be. */
  bytes: number;
  /** Times that it couldn't be. */
  refusals: number;
}

function newBudget(): Budget {
  return { left: MAX_ERRORS, bytes: MOST_TRIED, refusals: MOST_REFUSALS };
}

/** A copy of an error with those properties only that can be sent; a text for anything else. */
function reduce(value: unknown, codec: Codec, budget: Budget, depth = 0): unknown {
  if (!isError(value)) return canCross(value, codec, budget) ? value : textOf(value);
  const { name, message, stack, cause, errors, properties = [], isDom } = partsOfError(value, true);
  const copy = blankError(name, message, isDom);
  if (stack !== undefined) defineHidden(copy, "stack", stack);
  const isDeep = depth === MAX_DEPTH;
  const inner = (each: unknown): unknown => reduce(each, codec, budget, depth + 1);
  if (cause !== undefined && !isDeep && budget.left-- > 0) {
    defineHidden(copy, "cause", inner(cause));
  }
  if (errors !== undefined && !isDeep) {
    defineHidden(copy, "errors", errors.filter(() => budget.left-- > 0).map(inner));
  }
  for (const [key, each] of properties) {
    if (budget.left-- > 0 && canCross(each, codec, budget)) defineShown(copy, key, each);
  }
  return copy;
}

function canCross(value: unknown, codec: Codec, budget: Budget): boolean {
  if (budget.bytes <= 0 || budget.refusals <= 0) return false;
  const length = attempt(() => codec.encode(value, NO_TABLE).length, undefined);
  if (length === undefined) budget.refusals--;
  else budget.bytes -= length;
  return length !== undefined;
}

/** What crosses for a thrown value, in objects and texts only. */
function describe(error: unknown, withStack: boolean, budget = newBudget(), depth = 0): Failure {
  if (!isError(error)) return { thrown: error };
  const parts = partsOfError(error, withStack);
  const failure: Failure = { name: parts.name, message: parts.message };
  const inner = (each: unknown): Failure => describe(each, withStack, budget, depth + 1);
  if (parts.stack !== undefined) failure.stack = parts.stack;
  if (depth < MAX_DEPTH) {
    if (parts.cause !== undefined && budget.left-- > 0) failure.cause = inner(parts.cause);
    if (parts.errors !== undefined) {
      failure.errors = parts.errors.filter(() => budget.left-- > 0).map(inner);
    }
  }
  if (parts.properties !== undefined) failure.properties = Object.fromEntries(parts.properties);
  if (parts.isDom) failure.dom = true;
  return failure;
}

/** The thrown value that the bytes describe: an Error of the same type where that is known. */
export function decodeFailure(codec: Codec, bytes: Uint8Array | undefined): unknown {
  try {
    const value = codec.decode(bytes ?? new Uint8Array(0));
    return markRemote(
      codec.carriesErrors === true ? value : revive(value as Failure, newBudget(), 0),
    );
  } catch (cause) {
    return new RemoteError("the other side failed, and its error can't be read", { cause });
  }
}

function revive(failure: Failure, budget: Budget, depth: number): unknown {
  if (typeof failure !== "object" || failure === null) return new RemoteError(textOf(failure));
  const { name = "Error", message, stack, cause, errors, properties } = failure;
  if (typeof message !== "string") return failure.thrown;
  const error = blankError(textOf(name), message, failure.dom === true);
  if (typeof stack === "string") carryStack(error, stack);
  if (depth < MAX_DEPTH) {
    const inner = (each: Failure): unknown => revive(each, budget, depth + 1);
    if (cause !== undefined && budget.left-- > 0) defineHidden(error, "cause", inner(cause));
    if (Array.isArray(errors)) {
      defineHidden(error, "errors", errors.filter(() => budget.left-- > 0).map(inner));
    }
  }
  for (const [key, value] of Object.entries(properties ?? {})) {
    defineOwn(error, key, value);
  }
  return error;
}

const STANDARD: Readonly<Record<string, new (message: string) => Error>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** An error of this name that has nothing but a message. */
export function blankError(name: string, message: string, isDom: boolean): Error {
  if (name === "AggregateError") return new AggregateError([], message);
  if (Object.hasOwn(STANDARD, name)) return new STANDARD[name]!(message);
  if (isDom) return new DOMException(message, name);
  const remote = new RemoteError(message);
  const ours = (errors as unknown as Record<string, { prototype?: unknown }>)[name]?.prototype;
  if (ours instanceof CausewayError) Object.setPrototypeOf(remote, ours);
  defineHidden(remote, "name", name);
  return remote;
}

/** A property that an error has beside those that every error has. */
export function defineOwn(error: Error, key: string, value: unknown): void {
  if (!OWN.has(key)) defineShown(error, key, value);
}

/** A property as those of the language are on errors. */
export function defineHidden(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** A property as any other, also if its name means something in an assignment. */
export function defineShown(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
