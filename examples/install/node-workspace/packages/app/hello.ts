import { connectGreeter, startGreeter } from "greeter";

await using _server = await startGreeter();

// Here, or in any other process of this machine, in Deno, Bun or Node:
await using client = await connectGreeter();
console.log(await client.remote.greet("world"));
