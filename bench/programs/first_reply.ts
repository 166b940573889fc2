// Connects and says when the first reply is there.

import { RpcClient } from "../../mod.ts";

const client = await RpcClient.open("echo");
await client.request(new Uint8Array([1]));
console.log("done");
await client.close();
