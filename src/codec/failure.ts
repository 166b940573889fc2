/**
 * Errors across processes: name, message, stack, cause and own properties.
 *
 * @module
 */
import * as errors from "../errors.ts";
import { CausewayError, RemoteError } from "../errors.ts";
import type { Codec } from "./codec.ts";

/** What crosses for one thrown value, or one error among other values. */
export interface Failure {
  name?: string;
  message?: string;
  stack?: string;
  cause?: Failure;
  /** Of an AggregateError. */
  errors?: Failure[];
  properties?: Record<string, unknown>;
  /** What was thrown, if it is no Error. */
  thrown?: unknown;
}

/** A chain of causes longer than this is cut. */
const MAX_DEPTH = 8;
const OWN = new Set(["name", "message", "stack", "cause", "errors"]);

/** Bytes that describe a thrown value; without its stack if `withStack` is false. */
export function encodeFailure(
  codec: Codec,
  error: unknown,
  withStack: boolean,
): Uint8Array<ArrayBuffer> {
  const failure = describeError(error, withStack);
  try {
    return codec.encode(failure) as Uint8Array<ArrayBuffer>;
  } catch {
    // Something in its properties can't cross. What it is called and says always can.
    return codec.encode(withoutValues(failure)) as Uint8Array<ArrayBuffer>;
  }
}

/** What crosses for a value that was thrown, or for an error. */
export function describeError(error: unknown, withStack: boolean): Failure {
  return attempt(() => describe(error, withStack, 0), UNREADABLE);
}

/** What is thrown may be made to throw when it is looked at. */
function attempt<T>(task: () => T, fallback: T): T {
  try {
    return task();
  } catch {
    return fallback;
  }
}

const UNREADABLE: Failure = { name: "Error", message: "an error that can't be read" };

function describe(error: unknown, withStack: boolean, depth: number): Failure {
  if (!(error instanceof Error)) return { thrown: error };
  const failure: Failure = { name: String(error.name), message: String(error.message) };
  if (withStack && typeof error.stack === "string") failure.stack = error.stack;
  if (depth < MAX_DEPTH) {
    if (error.cause !== undefined) failure.cause = describe(error.cause, withStack, depth + 1);
    if (error instanceof AggregateError) {
      failure.errors = error.errors.map((each) => describe(each, withStack, depth + 1));
    }
  }
  const properties = attempt(() => Object.entries(error), []).filter(([key]) => !OWN.has(key));
  if (properties.length > 0) failure.properties = Object.fromEntries(properties);
  return failure;
}

function withoutValues(failure: Failure): Failure {
  const plain: Failure = "thrown" in failure
    ? { thrown: attempt(() => String(failure.thrown), "something without a text") }
    : {};
  if (failure.name !== undefined) plain.name = failure.name;
  if (failure.message !== undefined) plain.message = failure.message;
  if (failure.stack !== undefined) plain.stack = failure.stack;
  if (failure.cause !== undefined) plain.cause = withoutValues(failure.cause);
  if (failure.errors !== undefined) plain.errors = failure.errors.map(withoutValues);
  return plain;
}

/** The thrown value that the bytes describe: an Error of the same type where that is known. */
export function decodeFailure(codec: Codec, bytes: Uint8Array | undefined): unknown {
  try {
    return reviveError(codec.decode(bytes ?? new Uint8Array(0)) as Failure);
  } catch (cause) {
    return new RemoteError("the other side failed, and its error can't be read", { cause });
  }
}

/** The value that {@linkcode describeError} described. */
export function reviveError(failure: Failure): unknown {
  return revive(failure, 0);
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

function revive(failure: Failure, depth: number): unknown {
  if (typeof failure !== "object" || failure === null) return new RemoteError(String(failure));
  if (typeof failure.message !== "string") return failure.thrown;
  const error = blank(failure, depth);
  if (typeof failure.stack === "string") define(error, "stack", failure.stack);
  if (failure.cause !== undefined && depth < MAX_DEPTH) {
    define(error, "cause", revive(failure.cause, depth + 1));
  }
  for (const [key, value] of Object.entries(failure.properties ?? {})) {
    if (key === "__proto__" || OWN.has(key)) continue;
    Object.defineProperty(error, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return error;
}

function blank(failure: Failure, depth: number): Error {
  const { name = "Error", message = "" } = failure;
  if (name === "AggregateError" && Array.isArray(failure.errors) && depth < MAX_DEPTH) {
    return new AggregateError(failure.errors.map((each) => revive(each, depth + 1)), message);
  }
  if (Object.hasOwn(STANDARD, name)) return new STANDARD[name]!(message);
  if (
    name === "AbortError" || name === "TimeoutError" && failure.properties?.["code"] !== "TIMEOUT"
  ) {
    return new DOMException(message, name);
  }
  const remote = new RemoteError(message);
  const ours = (errors as unknown as Record<string, { prototype?: unknown }>)[name]?.prototype;
  if (ours instanceof CausewayError) Object.setPrototypeOf(remote, ours);
  define(remote, "name", name);
  return remote;
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, {
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}
