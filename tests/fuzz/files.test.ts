// Files in the runtime directory that are anything: whoever opens something there gets an error
// of this library, or what it wanted.

import fs from "node:fs";
import { test } from "node:test";
import { Channel, connect, RpcClient, serve } from "../../mod.ts";
import {
  ConnectionLayout,
  connectionPages,
  Kind,
  NodeLayout,
  ServerLayout,
} from "../../src/memory/layout.ts";
import { writeText } from "../../src/memory/segment.ts";
import { writeSide } from "../../src/connection/handshake.ts";
import { createNode } from "../../src/memory/nodes.ts";
import { fuzz, mutate, onlyOurs, turns } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

/** Makes a file of the given kind, then breaks it, or not. */
function plant(random: Random, scratch: Scratch, folder: string, file: string, node: string) {
  fs.mkdirSync(scratch.at(folder), { recursive: true, mode: 0o700 });
  const kind = random.pick([Kind.node, Kind.connection, Kind.connection, Kind.server]);
  const pages = {
    [Kind.node]: NodeLayout.pages,
    [Kind.connection]: connectionPages(4096),
    [Kind.server]: ServerLayout.pages,
  }[kind];
  const path = `${folder}/${file}`;
  const segment = scratch.segment(path, { kind, pages, creator: node, capacity: 4096 });
  if (kind === Kind.connection) {
    writeSide(segment, "a", node, random.below(3));
    if (random.below(3) === 0) writeSide(segment, "b", node, random.u32());
    writeText(segment, ConnectionLayout.name, ConnectionLayout.nameBytes, "name");
  } else if (kind === Kind.server) {
    segment.setU32(ServerLayout.state, random.below(3));
    segment.setU32(ServerLayout.source, random.pick([0, 1, random.u32()]));
  }
  for (let i = random.below(4); i > 0; i--) mutate(random, segment.words, 0, 96);
  segment.close();
  if (random.below(4) === 0) {
    const length = random.pick([0, 1, 4095, 4096, 8192, 12288, random.below(20_000)]);
    fs.truncateSync(scratch.at(path), length);
  }
  if (random.below(6) === 0) {
    fs.writeFileSync(scratch.at(path), random.bytes(4096 * (1 + random.below(3))));
  }
}

const names = {
  channel: ["channel/name", "join-0-1-"],
  "new channel": ["channel/name", "new-join-0-1-"],
  server: ["rpc/name", "server-0-"],
  client: ["rpc-clients/name", "join-0-1-"],
  node: ["nodes", ""],
} as const;

async function openAll(scratch: Scratch): Promise<void> {
  const { path: directory } = scratch;
  const options = { directory, connectTimeout: 30, timeout: 100, onError: onlyOurs };
  const opened: { close(): Promise<void> }[] = [];
  const attempt = async (open: () => Promise<{ close(): Promise<void> }>): Promise<void> => {
    try {
      opened.push(await within(open(), "opening", 20_000));
    } catch (error) {
      onlyOurs(error);
    }
  };
  await attempt(() => Channel.open("name", { ...options, onMessage() {} }));
  await attempt(() => RpcClient.open("name", options));
  await attempt(() => serve("name", { one: () => 1 }, options));
  await attempt(() => connect("name", options));
  await attempt(() => Channel.open("name", options));
  await turns(3);
  for (const each of opened) await within(each.close(), "closing", 20_000);
}

test("files of the dead and of the living", () =>
  fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const living = createNode(native, scratch.directory);
    for (const [folder, prefix] of Object.values(names)) {
      if (random.below(2) === 0) continue;
      const dead = random.bytes(8).reduce(
        (id, byte) => id + byte.toString(16).padStart(2, "0"),
        "",
      );
      const node = prefix === "" ? dead : random.pick([dead, living.id]);
      plant(random, scratch, folder, `${prefix}${node}`, node);
      alive();
    }
    await openAll(scratch);
    living.segment.close();
  }));

test("files that change while they are used", () =>
  fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const { path: directory } = scratch;
    const quiet = { directory, onError: onlyOurs, timeout: 50 };
    const dialling = { directory, timeout: 50, connectTimeout: 30 };
    const server = await serve("name", { one: () => 1 }, quiet);
    const client = await connect<{ one(): number }>("name", dialling);
    const channel = await Channel.open("name", { ...quiet, onMessage() {} });
    const partner = await Channel.open("name", { ...quiet, onMessage() {} });
    for (let step = 0; step < 15; step++) {
      alive();
      const file = random.pick(scratch.files());
      if (file === undefined) break;
      // In place: the size of a file that others have mapped can't be taken from them.
      const handle = fs.openSync(scratch.at(file), "r+");
      const offset = random.pick([0, 4, 8, 12, 16, 48, 128, 132, 256, 268, 512]) + random.below(4);
      fs.writeSync(handle, random.bytes(1 + random.below(4)), 0, null, offset);
      fs.closeSync(handle);
      client.remote.one().catch(onlyOurs);
      try {
        channel.send(new Uint8Array(10));
        partner.send(new Uint8Array(10));
      } catch (error) {
        onlyOurs(error);
      }
      if (random.below(3) === 0) {
        await connect("name", dialling).then((other) => other.close(), onlyOurs);
      }
      await turns(2);
    }
    for (const each of [client, channel, partner, server]) {
      await within(each.close(), "closing", 20_000);
    }
    await turns(2);
  }));
