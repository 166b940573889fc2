// Sends to a channel that no partner has opened, and has nothing else to do: see alone.test.ts.

import process from "node:process";
import { Channel } from "../../mod.ts";

const channel = await Channel.open("alone", { directory: process.argv[2]! });
console.log(channel.send(new Uint8Array(10)));
