// A server that answers with what it is asked, until its standard input ends.

import process from "node:process";
import { RpcServer } from "../../mod.ts";

await RpcServer.open("echo", { onRequest: (bytes) => bytes });
process.stdout.write("ready\n");
process.stdin.on("end", () => process.exit()).resume();
