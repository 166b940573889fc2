/**
 * The runtime's own timers and clock, as they were when the library was loaded. Test frameworks
 * replace the global ones by fakes that stand still, and what runs here must go on.
 *
 * @module
 */

/** Milliseconds that only grow, with fractions: `performance.now()`. */
export const readClock: () => number = performance.now.bind(performance);

/** `queueMicrotask` */
export const inMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;

/** `setImmediate`, which all runtimes have though it is no web standard. */
export const inNextTurn: (task: () => void) => unknown = (globalThis as unknown as {
  setImmediate: (task: () => void) => unknown;
}).setImmediate;

/** `setTimeout` */
export const startTimeout: typeof globalThis.setTimeout = globalThis.setTimeout;

/** `clearTimeout` */
export const stopTimeout: typeof globalThis.clearTimeout = globalThis.clearTimeout;

/** `setInterval` */
export const startInterval: typeof globalThis.setInterval = globalThis.setInterval;

/** `clearInterval` */
export const stopInterval: typeof globalThis.clearInterval = globalThis.clearInterval;
