/**
 * Why a part of a value can't be sent, and where in the value it is.
 *
 * @module
 */
import { textOf } from "../options.ts";
import { CausewayError, CodecError } from "../errors.ts";
import type { Codec } from "./codec.ts";

/** Keys, indices and the like, from the outside to the inside. */
export type Path = readonly (string | number)[];

/** Thrown inside of an encoder, and made to a {@linkcode CodecError} where it leaves. */
export class Refusal {
  /** What is wrong, to be read after what is concerned: `is a Promise`. */
  readonly reason: string;
  readonly cause: unknown;
  /** From the inside to the outside. */
  readonly #path: (string | number)[] = [];

  constructor(reason: string, cause?: unknown) {
    this.reason = reason;
    this.cause = cause;
  }

  /** It is in this part of a value. */
  within(key: string | number): this {
    this.#path.push(key);
    return this;
  }

  /** What the user gets. */
  toError(): CodecError {
    return codecErrorAt(this.#path.reverse(), this.reason, this.cause);
  }
}

/** What was thrown while a part of a value was encoded, with its place. */
export function refusalWithin(error: unknown, key: string | number): unknown {
  if (error instanceof Refusal) return error.within(key);
  if (error instanceof CodecError) {
    return new Refusal(`can't be sent: ${error.message}`, error).within(key);
  }
  if (error instanceof CausewayError) return error;
  return new Refusal(`can't be encoded: ${messageOf(error)}`, error).within(key);
}

/** What leaves an encoder. */
export function encodingError(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  const refusal = error instanceof Refusal
    ? error
    : new Refusal(`can't be encoded: ${messageOf(error)}`, error);
  return refusal.toError();
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return textOf(error instanceof Error ? error.message : error);
  } catch {
    return "something without a text was thrown";
  }
}

const WHOLE = "the value";
/** So many keys are shown of a path; it is in the error in full. */
const SHOWN = 20;

function codecErrorAt(path: Path, reason: string, cause: unknown): CodecError {
  const options = cause === undefined ? undefined : { cause };
  return new CodecError(`${WHOLE}${pathText(path)} ${reason}`, options, path);
}

/** `.user.photo[0]` */
function pathText(path: Path): string {
  const shown = path.slice(0, SHOWN).map((key) => {
    if (typeof key === "number") return `[${key}]`;
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key)
      ? `.${key}`
      : `[${JSON.stringify(key)}]`;
  });
  return `${shown.join("")}${path.length > SHOWN ? "…" : ""}`;
}

/** Encodes a list of arguments. What can't be sent is named as one of them. */
export function encodeArguments(codec: Codec, args: readonly unknown[]): Uint8Array {
  try {
    return codec.encode(args);
  } catch (error) {
    throw nameArgument(error);
  }
}

/**
 * An error of encoding a list of arguments, which is at `path` in the value, as the caller
 * knows them: `argument 0.user.photo`. Other errors stay as they are.
 */
export function nameArgument(error: unknown, depth = 0): unknown {
  if (!(error instanceof CodecError)) return error;
  const [index, ...rest] = error.path?.slice(depth) ?? [];
  if (typeof index !== "number") return error;
  const reason = error.message.slice(WHOLE.length + pathText(error.path!).length);
  const { cause } = error;
  return new CodecError(
    `argument ${index}${pathText(rest)}${reason}`,
    cause === undefined ? undefined : { cause },
    [index, ...rest],
  );
}
