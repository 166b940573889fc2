// A client, in whichever runtime runs it: client.ts <name>
//
// It does what main.ts tells it, by Causeway as well: a process can be a client of one server and a
// server to another. It ends when main.ts is gone.

import { deepStrictEqual } from "node:assert";
import process from "node:process";
import { type Client, connect, serve } from "../../mod.ts";
import type { ClientApi, SearchApi } from "./api.ts";
import { listFiles, readFile } from "./files.ts";
import { identifiers } from "./index.ts";
import { measure } from "./measure.ts";
import { scan } from "./scan.ts";
import { SocketClient } from "./socket.ts";

/** Files under way at a time. */
const IN_FLIGHT = 8;

const texts = new Map(listFiles().map((file) => [file, readFile(file)]));
const decoder = new TextDecoder();
let client: Client<SearchApi>;
let socket: SocketClient<SearchApi>;

const api: ClientApi = {
  async use(server, path) {
    await client?.close();
    socket?.[Symbol.dispose]();
    client = await connect<SearchApi>(server);
    socket = await SocketClient.connect(path);
  },

  async load(onProgress) {
    const queue = [...texts];
    let bytes = 0;
    const worker = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [file, text] = next;
        const { lines } = await client.remote.add(file, text);
        deepStrictEqual(lines, decoder.decode(text).split("\n").length, `lines of ${file}`);
        bytes += text.length;
        onProgress(1 - queue.length / texts.size);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    return bytes;
  },

  async search(count, onProgress) {
    const decoded = new Map([...texts].map(([file, text]) => [file, decoder.decode(text)]));
    const wanted = sample([...decoded.values()], count);
    for (const [done, identifier] of wanted.entries()) {
      const places = await client.remote.find(identifier);
      places.sort((a, b) => a.file < b.file ? -1 : 1); // they came in together
      deepStrictEqual(places, scan(decoded, identifier), `where ${identifier} is`);
      onProgress(done / count);
    }
    return wanted.length;
  },

  measure: () => measure(client, socket, texts),
};

/** Identifiers from random places: frequent ones come more often, as they do in questions. */
function sample(all: string[], count: number): string[] {
  return Array.from({ length: count }, () => {
    for (;;) {
      const text = all[Math.floor(Math.random() * all.length)]!;
      const at = Math.floor(Math.random() * text.length);
      const line = text.slice(text.lastIndexOf("\n", at) + 1, at + 80).split("\n")[0]!;
      // The first and the last one may be cut.
      const whole = identifiers(line).slice(1, -1);
      if (whole.length > 0) return whole[Math.floor(Math.random() * whole.length)]!;
    }
  });
}

const control = await serve(process.argv[2]!, api, {
  async onDisconnect() {
    socket?.[Symbol.dispose]();
    await client?.close();
    await control.close();
  },
});
