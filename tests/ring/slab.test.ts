import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, RpcClient, RpcServer } from "../../mod.ts";
import { Slabs } from "../../src/ring/slab.ts";
import { Scratch } from "../support/scratch.ts";

test("slabs begin small, grow, and make room for what is asked", () => {
  const slabs = new Slabs();
  const sizes: number[] = [];
  for (let i = 0; i < 40; i++) {
    const slab = slabs.for(4000);
    if (sizes.at(-1) !== slab.bytes.length) sizes.push(slab.bytes.length);
    slab.end += 4000;
  }
  assert.deepEqual(sizes, [4096, 8192, 16384, 32768, 65536]);
  assert.ok(new Slabs().for(16384).bytes.length >= 16384);
});

test("a slab whose buffer a user transferred isn't used again", () => {
  const slabs = new Slabs();
  const first = slabs.for(8);
  structuredClone(first.buffer, { transfer: [first.buffer] });
  assert.notEqual(slabs.for(8), first);
});

/** Is there a byte of this value in the buffer behind a payload? */
function shows(payload: Uint8Array | undefined, value: number): boolean {
  return new Uint8Array(payload!.buffer).includes(value);
}

test("the buffer of a client's payload holds nothing of another client's", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const seen: (Uint8Array | undefined)[] = [];
  await using _server = await RpcServer.open("s", {
    directory,
    onRequest: (payload) => void seen.push(payload),
  });
  await using one = await RpcClient.open("s", { directory });
  await using two = await RpcClient.open("s", { directory });
  for (let round = 0; round < 20; round++) {
    await one.request(new Uint8Array(100).fill(111));
    await two.request(new Uint8Array(100).fill(222));
  }
  for (const payload of seen) assert.equal(shows(payload, 111), !shows(payload, 222));
});

test("nor does one channel's hold what another channel received", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const payloads: Uint8Array[] = [];
  for (const [name, value] of [["a", 111], ["b", 222]] as const) {
    await using answering = await Channel.open(name, { directory, onRequest: (bytes) => bytes });
    await using asking = await Channel.open(name, { directory });
    payloads.push((await asking.request(new Uint8Array(100).fill(value)))!);
    assert.equal(answering.isConnected, true);
  }
  assert.equal(shows(payloads[0], 222), false);
  assert.equal(shows(payloads[1], 111), false);
});
