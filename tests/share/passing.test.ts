import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ArgumentError,
  CodecError,
  connect,
  LimitError,
  MemoryGoneError,
  messagePack,
  serve,
  SharedArray,
  SharedMemory,
} from "../../mod.ts";
import { passMemory } from "../../src/share/passing.ts";
import type { PassingOptions } from "../../src/share/passing.ts";
import { Realm } from "../../src/wake/realm.ts";
import { Scratch } from "../support/scratch.ts";

interface Codecs {
  scratch: Scratch;
  codec: ReturnType<typeof passMemory>;
  create(): Promise<SharedMemory>;
  /** Files of memory, without the random parts of their names. */
  files(): string[];
}

async function withCodec(options: PassingOptions, task: (it: Codecs) => Promise<void>) {
  using scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  try {
    await task({
      scratch,
      codec: passMemory(messagePack, realm, options),
      create: () => SharedMemory.create({ size: 100, directory: scratch.path }),
      files: () =>
        scratch.files().filter((file) => file.startsWith("memory/"))
          .map((file) => /[a-z]+/.exec(file.split("/")[2]!)![0]).sort(),
    });
  } finally {
    realm.release(closer);
  }
  assert.deepEqual(scratch.files(), []);
}

test("a reference is the same memory, also when the sender has closed it", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    const memory = await create();
    memory.bytes[50] = 5;
    const bytes = codec.encode({ deep: [memory, memory] });
    assert.ok(bytes.length < 200);
    assert.deepEqual(files(), ["hold", "member", "shared"], "one hold for one object");
    memory.close();
    assert.deepEqual(files(), ["hold", "shared"]);
    const { deep: [one, two] } = codec.decode(bytes) as { deep: SharedMemory[] };
    assert.equal(one, two);
    assert.deepEqual([one!.size, one!.bytes[50]], [100, 5]);
    assert.deepEqual(files(), ["member", "shared"]);
    one!.close();
    assert.deepEqual(files(), []);
    assert.throws(() => codec.decode(bytes), (error) => {
      assert.ok(error instanceof MemoryGoneError);
      assert.match(error.message, /without a name is gone.*keep it open/);
      return true;
    });
    assert.deepEqual(files(), [], "asking for it makes nothing");
  }));

test("a shared array is refused instead of being copied", () =>
  withCodec({ hold: "held" }, async ({ codec, scratch }) => {
    using array = await SharedArray.open("a", { type: "u32", length: 4, directory: scratch.path });
    assert.throws(() => codec.encode([{ array }]), (error) => {
      assert.ok(error instanceof CodecError);
      return /send its `memory`/.test(error.message);
    });
  }));

test("its name comes with it", () =>
  withCodec({ hold: "held" }, async ({ codec, scratch }) => {
    using memory = await SharedMemory.open("a/b", { size: 9, directory: scratch.path });
    using other = codec.decode(codec.encode(memory)) as SharedMemory;
    assert.equal(other.name, "a/b");
    assert.notEqual(other, memory);
  }));

test("holds of what isn't sent can be taken back", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    using memory = await create();
    codec.encode([memory]);
    const holds = codec.memory.take()!;
    assert.deepEqual(files(), ["hold", "member", "shared"]);
    holds.release();
    holds.release();
    assert.deepEqual(files(), ["member", "shared"]);
    assert.throws(() => codec.encode([memory, Symbol("no")]), CodecError);
    assert.deepEqual(files(), ["member", "shared"], "a value that failed holds nothing");
    assert.equal(codec.memory.take(), undefined);
  }));

test("closing releases what nobody took", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    const memory = await create();
    for (let i = 0; i < 3; i++) codec.encode(memory);
    memory.close();
    assert.equal(files().filter((file) => file === "hold").length, 3);
    codec.memory.close();
    assert.deepEqual(files(), []);
  }));

test("the end of the realm releases the rest", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    const memory = await create();
    codec.encode(memory);
    memory.close();
    assert.deepEqual(files(), ["hold", "shared"]); // and withCodec looks again
  }));

test("many messages under way don't pile up once they are received", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    using memory = await create();
    for (let i = 0; i < 300; i++) (codec.decode(codec.encode(memory)) as SharedMemory).close();
    assert.deepEqual(files(), ["member", "shared"]);
  }));

test("memory that is sent and never received is limited", () =>
  withCodec({ hold: "held", maxHolds: 100 }, async ({ codec, create, files }) => {
    using memory = await create();
    const holds = (): number => files().filter((file) => file === "hold").length;
    const sent = Array.from({ length: 100 }, () => new Uint8Array(codec.encode([memory])));
    for (let tries = 0; tries < 3; tries++) {
      assert.throws(() => codec.encode([memory]), (error) => {
        assert.ok(error instanceof LimitError, String(error));
        assert.match(error.message, /^100 shared memories were sent/);
        return true;
      });
    }
    assert.equal(holds(), 100, "what failed holds nothing");
    (codec.decode(sent[50]!) as [SharedMemory])[0].close();
    codec.encode([memory]);
    assert.equal(holds(), 100);
    assert.throws(() => codec.encode([memory]), LimitError);
    codec.memory.close();
    assert.equal(holds(), 0);
  }));

test("what is received can be held until its message is done", () =>
  withCodec({ hold: "held", keepReceived: true }, async ({ codec, create, files }) => {
    const memory = await create();
    const bytes = codec.encode(memory);
    memory.close();
    (codec.decode(bytes) as SharedMemory).close();
    assert.deepEqual(files(), ["hold", "shared"], "it may be delivered again");
    const again = codec.decode(bytes) as SharedMemory;
    codec.memory.takeReceived()!.release();
    assert.equal(codec.memory.takeReceived(), undefined);
    assert.deepEqual(files(), ["member", "shared"]);
    again.close();
  }));

test("for many receivers the sender keeps it open", () =>
  withCodec({ hold: "open" }, async ({ codec, create, files }) => {
    const memory = await create();
    const bytes = codec.encode(memory);
    assert.deepEqual(files(), ["member", "shared"]);
    const first = codec.decode(bytes) as SharedMemory;
    const second = codec.decode(bytes) as SharedMemory;
    memory.close();
    first.close();
    second.bytes[0] = 1;
    second.close();
    assert.throws(() => codec.decode(bytes), MemoryGoneError);
  }));

test("closed memory, and that of another directory, can't be passed", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    const memory = await create();
    memory.close();
    assert.throws(() => codec.encode(memory), { code: "CLOSED" });
    using elsewhere = new Scratch();
    using other = await SharedMemory.create({ size: 1, directory: elsewhere.path });
    assert.throws(() => codec.encode(other), (error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, /open both in the same/);
      return true;
    });
    assert.deepEqual(files(), []);
  }));

test("a reference that is none is refused", () =>
  withCodec({ hold: "held" }, async ({ codec, create, files }) => {
    using _memory = await create();
    const before = files();
    for (
      const reference of [
        null,
        [],
        [5],
        ["../nodes"],
        ["a/b"],
        [""],
        ["+00"],
        ["a", "member-1-1-0102030405060708"],
        ["a", "hold-1-../../../../../x"],
        ["x".repeat(161)],
      ]
    ) {
      assert.throws(() => codec.memory.importObject(reference), CodecError, String(reference));
    }
    assert.deepEqual(files(), before);
  }));

test("a call in the same realm holds its arguments and its result", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await serve("s", {
      async make(size: number) {
        using memory = await SharedMemory.create({ size, directory });
        return memory; // closed before it is encoded
      },
      async give(size: number) {
        const memory = await SharedMemory.create({ size, directory });
        memory.bytes[0] = 42;
        return memory.give();
      },
      sum: (memory: SharedMemory) => memory.bytes.reduce((all, byte) => all + byte, 0),
    }, { directory });
    interface Api {
      make(size: number): SharedMemory;
      give(size: number): SharedMemory;
      sum(memory: SharedMemory): number;
    }
    await using client = await connect<Api>("s", { directory });
    using memory = await SharedMemory.create({ size: 10, directory });
    memory.bytes.fill(2);
    assert.equal(await client.remote.sum(memory), 20);
    await assert.rejects(client.remote.make(5), { code: "CLOSED" });
    using made = await client.remote.give(7);
    assert.deepEqual([made.size, made.bytes[0]], [7, 42]);
    const files = scratch.files().filter((file) => file.startsWith("memory/"));
    assert.equal(files.length, 4, "two memories of one member each");
  }
});
