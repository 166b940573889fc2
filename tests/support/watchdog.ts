// Waiting that ends. No test asserts a maximum time: these limits are far beyond what a slow machine
// needs, and only turn a hang into a failure with a name.

import { patience } from "../../tools/systems/systems.ts";

/** What is waited for: a text, or a function that says it when the time is over. */
type What = string | (() => string);

const LIMIT = 30_000;

/** The promise's result, or an error that names what hangs after so many milliseconds. */
export async function within<T>(promise: Promise<T>, what: What, limit = LIMIT): Promise<T> {
  const watchdog = Promise.withResolvers<never>();
  const timer = setTimeout(() => watchdog.reject(hangs(what, limit)), limit * patience);
  try {
    return await Promise.race([promise, watchdog.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Looks again and again until a condition holds, and returns how many milliseconds that took; an
 * error after `limit` of them.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: What = String(condition),
  limit = LIMIT,
): Promise<number> {
  const start = performance.now();
  while (!await condition()) {
    if (performance.now() - start > limit * patience) throw hangs(what, limit);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return performance.now() - start;
}

function hangs(what: What, limit: number): Error {
  const name = typeof what === "string" ? what : what();
  return new Error(`watchdog: not within ${limit * patience} ms: ${name}`);
}
