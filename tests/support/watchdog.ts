/**
 * Waiting that ends. No test asserts a maximum time: these limits are far beyond
 * what a slow machine needs, and only turn a hang into a failure with a name.
 */

/** Rejects if `promise` isn't settled after `milliseconds`. */
export async function within<T>(
  milliseconds: number,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const bark = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`watchdog: ${what} hangs`)), milliseconds);
  });
  try {
    return await Promise.race([promise, bark]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `condition` holds, looking in each turn of the event loop. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`watchdog: ${what} didn't happen`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
