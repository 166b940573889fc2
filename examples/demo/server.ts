// The server, in whichever runtime runs it: server.ts <name> <socket>
//
// It serves an index with Causeway, and the same over a Unix socket to compare with. It ends when
// its last client is gone.

import process from "node:process";
import { serve } from "../../mod.ts";
import type { SearchApi } from "./api.ts";
import { Index } from "./index.ts";
import { serveOnSocket } from "./socket.ts";

const [name, socket] = process.argv.slice(2) as [string, string];
const index = new Index();

const api: SearchApi = {
  add: (file, text) => ({ lines: index.add(file, text) }),
  read: (file) => index.text(file),
  find: (identifier) => index.find(identifier),
  count: (identifier) => index.count(identifier),
};

const peer = await serveOnSocket(socket, api);
const server = await serve(name, api, {
  async onDisconnect({ connections }) {
    if (connections > 0) return;
    await server.close();
    peer.close();
  },
});
