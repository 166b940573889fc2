// Opens everything there is, as either partner, uses it once, and then does nothing: idle.ts a|b
// Without an argument it opens nothing.

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Channel, RpcClient, RpcServer } from "../../mod.ts";

const side = process.argv[2];
if (side !== undefined) {
  const other = side === "a" ? "b" : "a";
  await RpcServer.open(`server ${side}`, { onRequest: (bytes) => bytes });
  const channel = await Channel.open("channel", { onRequest: (bytes) => bytes });
  const client = await RpcClient.open(`server ${other}`);
  await client.request(new Uint8Array([1]));
  await channel.request(new Uint8Array([1]));
}
await sleep(1000); // what starting up left to do is done
process.stdout.write("ready\n");
process.stdin.on("end", () => process.exit()).resume();
