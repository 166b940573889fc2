import { connect, serve } from "@causeway/ipc";

const api = { greet: (name: string) => `Hello, ${name}!` };
await using _server = await serve("hello", api);

// Here, or in any other process of this machine, in Deno, Bun or Node:
await using client = await connect<typeof api>("hello");
console.log(await client.remote.greet("world"));
