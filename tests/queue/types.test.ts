// What a queue's messages are, as the type checker sees it. The lines that are only compiled are
// the test; it runs so that the file has one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, json, messagePack, Queue, struct, u32 } from "../../mod.ts";
import { Scratch } from "../support/scratch.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

interface Job {
  id: number;
}

/** Only compiled. */
export async function opened(directory: string) {
  const options = { directory };
  const raw = await Queue.open("a", { codec: bytes, ...options });
  const structs = await Queue.open("b", { codec: struct({ s: u32 }), ...options });
  const plain = await Queue.open("c", options);
  const untyped = await Queue.open("d", { codec: json });
  const named = await Queue.open<Job>("e", { codec: json });
  const namedRaw = await Queue.open<Uint8Array>("f", { codec: bytes });
  const byContext: Queue<Job> = await Queue.open("g", { codec: messagePack });
  // @ts-expect-error -- a struct of another shape
  await structs.enqueue({ t: 1 });
  // @ts-expect-error -- the codec carries bytes only
  await raw.enqueue("text");
  const same: [
    Same<typeof raw, Queue<Uint8Array>>,
    Same<typeof structs, Queue<{ s: number }>>,
    Same<typeof plain, Queue<unknown>>,
    Same<typeof untyped, Queue<unknown>>,
    Same<typeof named, Queue<Job>>,
    Same<typeof namedRaw, Queue<Uint8Array>>,
    Same<typeof byContext, Queue<Job>>,
  ] = [true, true, true, true, true, true, true];
  return same;
}

test("messages have the type of the codec", async () => {
  using scratch = new Scratch();
  await using queue = await Queue.open("q", {
    codec: struct({ s: u32 }),
    directory: scratch.path,
  });
  await queue.enqueue({ s: 5 });
  const { s } = await queue.dequeue();
  assert.equal(s + 1, 6);
});
