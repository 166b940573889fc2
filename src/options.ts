/**
 * Options that everything has in common, and their checks.
 *
 * @module
 */
import { ArgumentError } from "./errors.ts";

/** How to wait. */
export interface WaitOptions {
  /** Milliseconds; `Infinity` waits for ever. */
  timeout?: number;
  /** Gives up when it is aborted; the promise rejects with its reason. */
  signal?: AbortSignal;
}

/** An entry for each option of a type, which the compiler holds against it. */
export type OptionsOf<Options> = Record<keyof Required<Options>, true>;

/** The options of {@linkcode WaitOptions}. */
export const WAIT_OPTIONS: OptionsOf<WaitOptions> = { timeout: true, signal: true };

/**
 * Checks what types can't where there is no type checker: that options are an
 * object, that there is none of another name than `known` (a misspelt one would do
 * nothing), that handlers are functions, and a signal is one.
 */
export function checkOptions(options: object, known?: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentError(`options are an object, got ${show(options)}`);
  }
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (known !== undefined && !known.includes(key)) {
      throw new ArgumentError(`there is no option \`${key}\`; there are ${known.join(", ")}`);
    }
    if (/^on[A-Z]/.test(key) && typeof value !== "function") {
      throw new ArgumentError(`\`${key}\` is a function, got ${show(value)}`);
    }
    if (key === "signal") checkSignal(value);
  }
}

/** Checks an option that is true or false, and returns it. */
export function checkFlag(option: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new ArgumentError(`\`${option}\` is true or false, got ${show(value)}`);
}

/** Checks a signal given by a user. */
export function checkSignal(value: unknown): void {
  if (value === undefined || value instanceof AbortSignal) return;
  throw new ArgumentError(`\`signal\` is an AbortSignal, got ${show(value)}`);
}

/** The most characters of a text that a message shows. */
const SHOWN = 200;

/**
 * A value as a message shows it: `"5"` isn't `5`. Of an object only what kind it is. What a peer
 * has sent can take for ever to become text: an array of an array of …, each of them many times.
 */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > SHOWN
        ? `${JSON.stringify(value.slice(0, SHOWN))}…`
        : JSON.stringify(value);
    case "function":
      return `[function ${value.name}]`;
    case "object":
      return value === null ? "null" : `[object ${kindOf(value)}]`;
    default:
      return String(value);
  }
}

/** A text as it is, and anything else as {@linkcode show} has it. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : show(value);
}

function kindOf(value: object): string {
  try {
    const name: unknown = (Object.getPrototypeOf(value) as object | null)?.constructor.name;
    return typeof name === "string" && name !== "" ? name : "Object";
  } catch {
    return "Object"; // a proxy, or a class that throws
  }
}

const DEFAULT_TIMEOUT = 30_000;

/** Checks a timeout given by a user. */
export function checkTimeout(timeout: number | undefined, fallback = DEFAULT_TIMEOUT): number {
  if (timeout === undefined) return fallback;
  if (typeof timeout === "number" && timeout >= 0) return timeout;
  throw new ArgumentError(
    `a timeout is a number of milliseconds from 0, or Infinity, got ${show(timeout)}`,
  );
}

/** Checks a count given by a user. */
export function checkCount(option: string, value: number, least: number, most: number): number {
  if (value === Infinity && most === Infinity) return value;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new ArgumentError(
    `\`${option}\` is a whole number from ${least}${most === Infinity ? "" : ` to ${most}`}, ` +
      `got ${show(value)}`,
  );
}
