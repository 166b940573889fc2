import { serve } from "@causeway/ipc";

const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();

await using _server = await serve("hello", {
  greet: (name: string) => `Hello, ${name}, from a worker!`,
  stop,
});
await stopped;
