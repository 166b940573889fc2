// Streams far larger than memory: 10 GB one way, and 2 GB both ways at once, with a running
// checksum, while neither process grows. Progress is printed.

import assert from "node:assert/strict";
import process from "node:process";
import { RpcClient } from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { Checksum, NumberedStream } from "../support/numbered_stream.ts";

/** Bytes of the one-way and of the two-way streams. */
const SCALE = Number(process.env["CAUSEWAY_STREAM_GB"] ?? 10);
const ONE_WAY = SCALE * 1e9;
const BOTH_WAYS = SCALE * 0.2e9;
/** What garbage collectors and allocators may keep; the streams are 3 to 16 times larger. */
const GROWTH = 600e6;
/** After so many bytes a process has reached its usual size. */
const WARM = 0.3e9;

/** A server that sends, and takes, numbered streams. */
async function serveNumbered(t: Cross): Promise<void> {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    const { default: process } = await import("node:process");
    const { pathToFileURL } = await import("node:url");
    const file = `${process.cwd()}/tests/support/numbered_stream.ts`;
    const { Checksum, NumberedStream } = await import(pathToFileURL(file).href);
    kept.most = 0;
    const watch = () => void (kept.most = Math.max(kept.most, process.memoryUsage().rss));
    use(
      await ipc.RpcServer.open(name, {
        onRequest: (request) => {
          const total = Number(new TextDecoder().decode(request));
          return new NumberedStream(total, watch).readable;
        },
        async onStream(stream) {
          const sum = new Checksum(watch);
          for await (const bytes of stream) sum.add(bytes);
          return new TextEncoder().encode(String(sum.received));
        },
      }),
    );
  }, t.name);
}

/** Prints how far it is, now and then. */
function progress(what: string, total: number): (done: number) => void {
  const start = performance.now();
  let next = 0;
  return (done) => {
    if (done < next) return;
    next = done + total / 5;
    const seconds = (performance.now() - start) / 1000;
    const rate = seconds > 0 ? (done / 1e9 / seconds).toFixed(1) : "–";
    console.log(`${what}: ${(done / 1e9).toFixed(1)} of ${total / 1e9} GB, ${rate} GB/s`);
  };
}

class Memory {
  #base = 0;
  #most = 0;

  look(done: number): void {
    const { rss } = process.memoryUsage();
    if (done < WARM) this.#base = Math.max(this.#base, rss);
    this.#most = Math.max(this.#most, rss);
  }

  check(): void {
    const grown = this.#most - this.#base;
    assert.ok(grown < GROWTH, `grew by ${Math.round(grown / 1e6)} MB`);
  }
}

async function receive(client: RpcClient, what: string, total: number): Promise<void> {
  const tell = progress(what, total);
  const memory = new Memory();
  const sum = new Checksum((done: number) => {
    tell(done);
    memory.look(done);
  });
  const request = new TextEncoder().encode(String(total));
  const reader = (await client.stream(request))!.getReader({ mode: "byob" });
  for (let own = new Uint8Array(1 << 18);;) {
    const { done, value } = await reader.read(own);
    if (done) break;
    sum.add(value);
    own = new Uint8Array(value.buffer);
  }
  assert.equal(sum.received, total);
  memory.check();
}

async function send(client: RpcClient, what: string, total: number): Promise<void> {
  const tell = progress(what, total);
  const memory = new Memory();
  const stream = new NumberedStream(total, (done: number) => {
    tell(done);
    memory.look(done);
  });
  const answer = await client.request(stream.readable);
  assert.equal(new TextDecoder().decode(answer), String(total));
  memory.check();
}

async function peerStayed(t: Cross): Promise<void> {
  const most: number = await t.peer.run(({ kept }) => kept.most);
  assert.ok(most < 700e6, `the peer had ${Math.round(most / 1e6)} MB`);
}

crossTest(`${SCALE} GB as a response, then as a request`, async (t) => {
  await serveNumbered(t);
  await using client = await RpcClient.open(t.name, { capacity: 1 << 20, timeout: Infinity });
  await receive(client, "response", ONE_WAY);
  await send(client, "request", ONE_WAY);
  await peerStayed(t);
}, { limit: 300, only: ["bun"] });

crossTest(`${SCALE * 0.2} GB both ways at once`, async (t) => {
  await serveNumbered(t);
  await using client = await RpcClient.open(t.name, { timeout: Infinity });
  await Promise.all([receive(client, "in", BOTH_WAYS), send(client, "out", BOTH_WAYS)]);
  await peerStayed(t);
}, { limit: 300 });

peersEnd();
