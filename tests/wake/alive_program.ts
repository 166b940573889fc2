// Opens something and lets go: it must end by itself, or stay, see reactor.test.ts.

import process from "node:process";
import { Channel, RpcClient, RpcServer } from "../../mod.ts";

process.on("exit", () => console.log("end"));
const mode = process.argv[2]!;
const echo = (payload: Uint8Array | undefined) => payload;

/** Closes after a while, by a timer that doesn't keep the process alive by itself. */
function closeLater(it: { close(): Promise<void> }): void {
  const timer = setTimeout(() => {
    console.log("closed");
    void it.close();
  }, 200);
  timer.unref();
}

switch (mode) {
  case "idle channel":
    closeLater(await Channel.open("name"));
    break;
  case "channel with a handler":
    closeLater(await Channel.open("name", { onRequest: echo }));
    break;
  case "channel ref": {
    const channel = await Channel.open("name");
    channel.ref();
    closeLater(channel);
    break;
  }
  case "channel ref unref": {
    const channel = await Channel.open("name", { onRequest: echo });
    channel.ref();
    channel.unref();
    closeLater(channel);
    break;
  }
  case "server":
    closeLater(await RpcServer.open("name"));
    break;
  case "server unref": {
    const server = await RpcServer.open("name");
    server.unref();
    closeLater(server);
    break;
  }
  case "closed server":
    await (await RpcServer.open("name")).close();
    break;
  case "idle client":
  case "call": {
    const server = await RpcServer.open("name", {
      onRequest: () => new Promise((resolve) => setTimeout(resolve, 100).unref()),
    });
    const client = await RpcClient.open("name");
    server.unref();
    if (mode === "call") {
      await client.request();
      console.log("answered");
    }
    break;
  }
  case "call without a partner": {
    const channel = await Channel.open("name");
    await channel.request(undefined, { timeout: 100 }).catch(({ name }) => console.log(name));
    break;
  }
  default:
    throw new Error(mode);
}
