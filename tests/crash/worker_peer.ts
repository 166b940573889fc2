// A worker that opens a channel and does what its name says; workers.test.ts's host terminates it.

import { Channel } from "../../mod.ts";

interface Port {
  postMessage(value: unknown): void;
}

async function port(): Promise<Port> {
  // deno-lint-ignore no-explicit-any -- Deno has web workers, the others node:worker_threads
  if ((globalThis as any).Deno !== undefined) return globalThis as unknown as Port;
  const { parentPort } = await import("node:worker_threads");
  return parentPort as unknown as Port;
}

// Deno lets the code that runs go on when it terminates a worker, however long that takes, so
// there it must come to an end.
// deno-lint-ignore no-explicit-any -- the name of a runtime
const long = (globalThis as any).Deno === undefined ? 60_000 : 1000;

const channel = await Channel.open("worker", { onRequest: (bytes) => bytes, onMessage: () => {} });
const to = await port();
await channel.whenConnected();
const state = new TextDecoder().decode(await channel.request(new Uint8Array([1])));
to.postMessage(state);
switch (state) {
  case "blocked":
    channel.requestSync(new Uint8Array([2]), { timeout: long }); // the partner never answers
    break;
  case "busy":
    for (const end = performance.now() + long; performance.now() < end;);
    break;
  case "calling":
    for (;;) await channel.request(new Uint8Array([3]));
}
