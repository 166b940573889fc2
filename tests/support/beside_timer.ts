import assert from "node:assert/strict";

/** A loop that starves the event loop has failed after so many ms. */
const WATCHDOG_MS = 20_000;

/** Awaits `step` in a loop until a timer of 10 ms beside it has fired five times. */
export async function besideTimer(step: () => Promise<unknown>): Promise<void> {
  let fired = 0;
  const timer = setInterval(() => fired++, 10);
  const end = performance.now() + WATCHDOG_MS;
  try {
    while (fired < 5) {
      await step();
      assert.ok(performance.now() < end, `watchdog: a timer of 10 ms fired ${fired} times`);
    }
  } finally {
    clearInterval(timer);
  }
}
