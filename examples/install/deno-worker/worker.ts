import { serve } from "@causeway/ipc";

const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();

{
  await using _server = await serve("hello", {
    greet: (name: string) => `Hello, ${name}, from a worker!`,
    stop,
  });
  await stopped;
}
self.close(); // a worker of Deno must have closed what it opened before it ends
