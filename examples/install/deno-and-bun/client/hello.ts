import { connect } from "@causeway/ipc";

interface Api {
  greet(name: string): string;
}

await using client = await connect<Api>("hello");
console.log(await client.remote.greet("world"));
console.log(client.sync.greet("again")); // blocks until the answer is there
