/**
 * The capacity of a ring.
 *
 * @module
 */
import { ArgumentError } from "../errors.ts";
import { show } from "../options.ts";
import { MAX_CAPACITY, MIN_CAPACITY } from "./layout.ts";

/** Checks a capacity given by a user. */
export function checkCapacity(capacity: number): number {
  const valid = Number.isInteger(capacity) && capacity >= MIN_CAPACITY &&
    capacity <= MAX_CAPACITY && (capacity & (capacity - 1)) === 0;
  if (!valid) {
    throw new ArgumentError(
      `the capacity of a ring is a power of two from ${MIN_CAPACITY} to ${MAX_CAPACITY} bytes, ` +
        `got ${show(capacity)}`,
    );
  }
  return capacity;
}
