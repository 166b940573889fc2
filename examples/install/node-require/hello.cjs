const { connect, serve } = require("@causeway/ipc");

async function main() {
  const api = { greet: (name) => `Hello, ${name}!` };
  await using _server = await serve("hello", api);

  // Here, or in any other process of this machine, in Deno, Bun or Node:
  await using client = await connect("hello");
  console.log(await client.remote.greet("world"));
}

main();
