/**
 * Stacks that name the caller's line.
 *
 * An error that ends a call begins elsewhere: in the other process, in a timer, in the
 * turn of the reactor that noticed a death. Only when the asynchronous function that made
 * the call goes on, and only because it failed, its stack is written anew: what it awaits
 * for is known to the runtime then. Calls that succeed pay nothing.
 *
 * @module
 */
import { CausewayError, ClosedError } from "./errors.ts";

// deno-lint-ignore ban-types
type Callable = Function;

/** What V8 and JavaScriptCore have, and the standard doesn't. */
interface Capture {
  captureStackTrace?(target: object, above?: Callable): void;
}

/** Errors that the other side has thrown. */
const remote = new WeakSet<object>();
/** Errors whose stack is from the other side. */
const carried = new WeakSet<object>();
/** Errors whose stack names the caller already. */
const named = new WeakSet<object>();
/** How many calls looked for their lines with the same error: those that it ended together. */
const looked = new WeakMap<object, number>();
/**
 * The most that do. A look takes 10 to 20 µs, and tens of thousands of calls can end in one turn:
 * the others throw the error as it is.
 */
const MOST_LOOKS = 500;

/** Gives an error that has crossed the stack that has crossed with it. */
export function carryStack(error: Error, stack: string): void {
  setStack(error, stack);
  carried.add(error);
}

/** What the other side has thrown: an error without a stack has no lines of this side. */
export function markRemote(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  remote.add(error);
  if (!carried.has(error)) setStack(error, headOf(error));
  return error;
}

/**
 * What a call has to throw, with the lines of its caller: `above` is the function that
 * calls this, whose line and those above it aren't shown; `where` says what was called.
 * The stack of the other side stays, before that. What `signal` was aborted with is the
 * user's own, and stays as it is.
 */
export function nameCaller(
  error: unknown,
  above: Callable,
  where: string,
  signal?: AbortSignal,
): unknown {
  if (!(error instanceof Error) || named.has(error)) return error;
  if (signal?.aborted === true && signal.reason === error) return error;
  if (!remote.has(error) && !(error instanceof CausewayError)) return error;
  const looks = looked.get(error) ?? 0;
  if (looks >= MOST_LOOKS) return error;
  looked.set(error, looks + 1);
  const lines = linesAbove(above);
  if (lines.length === 0) return error;
  // Everybody who uses what is closed gets the same one.
  const own = error instanceof ClosedError ? new ClosedError("", error.message) : error;
  named.add(own);
  const head = remote.has(own) ? [own.stack, `    at the other side: ${where}`] : [headOf(own)];
  setStack(own, [...head, ...lines].join("\n"));
  return own;
}

function linesAbove(above: Callable): string[] {
  const captured: { stack?: unknown } = {};
  (Error as Capture).captureStackTrace?.(captured, above);
  const { stack } = captured;
  return typeof stack !== "string" ? [] : stack.split("\n").filter((line) => /^\s+at /.test(line));
}

function headOf({ name, message }: Error): string {
  return message === "" ? name : `${name}: ${message}`;
}

/** Errors can be made so that nothing can be changed about them. */
function setStack(error: Error, stack: string): void {
  try {
    Object.defineProperty(error, "stack", {
      value: stack,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  } catch {
    // Then it keeps the one that it has.
  }
}
