import { connect, serve } from "@causeway/ipc";

const api = { greet: (name) => `Hello, ${name}!` };
await using _server = await serve("hello", api);

// Here, or in any other process of this machine, in Deno, Bun or Node:
await using client = await connect("hello");
console.log(await client.remote.greet("world"));
