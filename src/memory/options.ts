/**
 * Checks of options that every layer shares.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";

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

/** A value as a message shows it: `"5"` isn't `5`. */
export function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
