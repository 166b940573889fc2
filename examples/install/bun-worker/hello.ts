import { connect } from "@causeway/ipc";

interface Api {
  greet(name: string): string;
  stop(): void;
}

new Worker(new URL("./worker.ts", import.meta.url));
await using client = await connect<Api>("hello");

// The main thread may block until the worker has answered.
console.log(client.sync.greet("world"));
client.oneway.stop();
