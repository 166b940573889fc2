// Shared memory: by name and by reference, and how long it lives.

import assert from "node:assert/strict";
import { connect, MemoryGoneError, serve, SharedArray, SharedMemory } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { filesIn } from "../support/directories.ts";
import { until } from "../support/watchdog.ts";
import { noStop, thisRuntime } from "../support/peers.ts";

const memories = () => filesIn().filter((file) => file.startsWith("memory/"));

crossTest("both see what the other writes, as bytes, words and floats", async (t) => {
  using memory = await SharedMemory.open(t.name, { size: 4096 });
  memory.bytes[7] = 77;
  const seen = await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    const memory = await ipc.SharedMemory.open(name);
    kept.memory = memory;
    use({ [Symbol.asyncDispose]: () => Promise.resolve(memory.close()) });
    memory.bytes[8] = 88;
    return [memory.size, memory.bytes[7]];
  }, t.name);
  assert.deepEqual(seen, [4096, 77]);
  assert.equal(memory.bytes[8], 88);
  // Additions of both sides at the same time are all there in the end.
  const words = new Int32Array(memory.buffer);
  const adding = t.peer.run(({ kept }) => {
    const words = new Int32Array(kept.memory.buffer);
    for (let i = 0; i < 200_000; i++) Atomics.add(words, 100, 1);
  });
  for (let i = 0; i < 200_000; i++) Atomics.add(words, 100, 1);
  await adding;
  assert.equal(words[100], 400_000);
});

crossTest("arrays have the same type and length everywhere", async (t) => {
  using array = await SharedArray.open(t.name, { type: "f64", length: 1000 });
  array.array[999] = Math.E;
  const seen = await t.peer.run(async ({ ipc, assert }, name: string) => {
    using array = await ipc.SharedArray.open(name, { type: Float64Array });
    const mismatch = { code: "PARAMETER_MISMATCH" };
    await assert.rejects(ipc.SharedArray.open(name, { type: "i32" }), mismatch);
    await assert.rejects(ipc.SharedArray.open(name, { type: "f64", length: 5 }), mismatch);
    await assert.rejects(ipc.SharedMemory.open(name, { size: 1 }), mismatch);
    return [array.length, array.array[999]];
  }, t.name);
  assert.deepEqual(seen, [1000, Math.E]);
});

crossTest("it goes with the last process that has it", async (t) => {
  const memory = await SharedMemory.open(t.name, { size: 100 });
  const other = t.start();
  await other.run(async ({ ipc, kept }, name: string) => {
    kept.memory = await ipc.SharedMemory.open(name);
    kept.memory.bytes[0] = 5;
  }, t.name);
  memory.close();
  const again = await SharedMemory.open(t.name);
  assert.equal(again.bytes[0], 5, "it lived on with the other");
  again.close();
  other.kill("SIGKILL");
  await other.ended;
  await assert.rejects(SharedMemory.open(t.name), /give a `size`/);
  assert.deepEqual(memories(), []);
});

interface Api {
  fill(memory: SharedMemory, value: number): number;
  make(size: number, value: number): SharedMemory;
  keep(memory: SharedMemory): void;
  kept(): number;
  deep(value: { list: [SharedMemory, SharedMemory]; map: Map<string, SharedMemory> }): boolean;
  callBack(task: (memory: SharedMemory) => number): Promise<number>;
  same(memory: SharedMemory): SharedMemory;
  note(memory: SharedMemory): void;
}

async function serveApi(t: Parameters<Parameters<typeof crossTest>[1]>[0], peer = t.peer) {
  await peer.run(async ({ ipc, use, kept }, name: string) => {
    use(
      await ipc.serve(name, {
        fill(memory: SharedMemory, value: number) {
          using used = memory;
          used.bytes.fill(value);
          return used.size;
        },
        async make(size: number, value: number) {
          const memory = await ipc.SharedMemory.create({ size });
          memory.bytes.fill(value);
          return memory.give();
        },
        keep: (memory: unknown) => void (kept.memory = memory),
        kept() {
          const value = kept.memory.bytes[0];
          kept.memory.close();
          return value;
        },
        deep({ list: [one, two], map }: Parameters<Api["deep"]>[0]) {
          const third = map.get("x")!;
          one.bytes[0] = 1;
          third.bytes[1] = 2;
          const isSame = one === two && third !== one;
          one.close();
          third.close();
          return isSame;
        },
        async callBack(task: (memory: unknown) => Promise<number>) {
          using memory = await ipc.SharedMemory.create({ size: 10 });
          memory.bytes[3] = 33;
          return await task(memory);
        },
        same: (memory: SharedMemory) => memory.give(),
        note: (memory: SharedMemory) => void (kept.noted = memory),
      }),
    );
  }, t.name);
}

crossTest("a reference in a call is the same memory", async (t) => {
  await serveApi(t);
  await using client = await connect<Api>(t.name);
  using memory = await SharedMemory.create({ size: 5000 });
  assert.equal(await client.remote.fill(memory, 9), 5000);
  assert.ok(memory.bytes.every((byte) => byte === 9));
  assert.equal(client.sync.fill(memory, 8), 5000);
  assert.equal(memory.bytes[4999], 8);
  using made = await client.remote.make(100, 7);
  using madeSync = client.sync.make(100, 6);
  assert.deepEqual([made.bytes[99], madeSync.bytes[0]], [7, 6]);
  using other = await SharedMemory.create({ size: 2 });
  const value = { list: [memory, memory], map: new Map([["x", other]]) };
  assert.equal(await client.remote.deep(value as never), true);
  assert.deepEqual([memory.bytes[0], other.bytes[1]], [1, 2]);
  using back = await client.remote.same(memory);
  assert.notEqual(back, memory);
  back.bytes[10] = 123;
  assert.equal(memory.bytes[10], 123);
});

crossTest("a reference to a callback, and in a one-way call", async (t) => {
  await serveApi(t);
  await using client = await connect<Api>(t.name);
  const seen = await client.remote.callBack((memory) => {
    using used = memory;
    return used.bytes[3]!;
  });
  assert.equal(seen, 33);
  const memory = await SharedMemory.create({ size: 4 });
  memory.bytes[0] = 44;
  client.oneway.note(memory);
  memory.close();
  await until(() =>
    t.peer.run(({ kept }) => {
      if (kept.noted === undefined) return false;
      const value = kept.noted.bytes[0];
      kept.noted.close();
      return value === 44;
    })
  );
});

crossTest("the sender may close at once, and die: the memory lives with who has it", async (t) => {
  await serveApi(t);
  {
    await using client = await connect<Api>(t.name);
    const memory = await SharedMemory.create({ size: 300 });
    memory.bytes[0] = 55;
    const call = client.remote.keep(memory);
    memory.close();
    await call;
    assert.equal(await client.remote.kept(), 55);
  }
  // The other way round: the peer makes it, gives it, and is killed.
  const maker = t.start();
  const name = `${t.name}-maker`;
  await serveApi({ ...t, name }, maker);
  await using client = await connect<Api>(name);
  using made = await client.remote.make(1000, 66);
  maker.kill("SIGKILL");
  await maker.ended;
  assert.equal(made.bytes[999], 66);
});

crossTest("what nobody has any more is gone, with an error that says so", async (t) => {
  // The peer holds a message back that refers to memory of one that dies meanwhile.
  const maker = t.start();
  await using server = await serve(t.name, {
    async give(memory: SharedMemory) {
      memory.close();
      await new Promise((resolve) => setTimeout(resolve, 0));
    },
  });
  await maker.run(async ({ ipc, kept }, name: string) => {
    kept.client = await ipc.connect(name);
    kept.memory = await ipc.SharedMemory.open("gone", { size: 10 });
    await kept.client.remote.give(kept.memory);
  }, t.name);
  maker.kill("SIGKILL");
  await maker.ended;
  await until(() => server.connections === 0);
  await assert.rejects(SharedMemory.open("gone"), /no shared memory "gone"/);
  assert.ok(MemoryGoneError.prototype instanceof Error);
});

crossTest("holds of calls that fail, are given up or lose their partner don't stay", async (t) => {
  const other = t.start();
  await other.run(async ({ ipc, kept }, name: string) => {
    kept.server = await ipc.serve(name, {
      never: () => new Promise(() => {}),
      fail() {
        throw new Error("no");
      },
    });
  }, t.name);
  await using client = await connect<{
    never(memory: SharedMemory): void;
    fail(memory: SharedMemory): void;
    unknown(memory: SharedMemory): void;
  }>(t.name);
  using memory = await SharedMemory.create({ size: 10 });
  await assert.rejects(client.remote.unknown(memory), { code: "UNKNOWN_METHOD" });
  await assert.rejects(client.remote.fail(memory), /no/);
  await assert.rejects(client.with({ timeout: 20 }).remote.never(memory), { code: "TIMEOUT" });
  const waiting = client.remote.never(memory);
  waiting.catch(() => {});
  other.kill("SIGSTOP");
  client.oneway.fail(memory);
  await until(() => memories().some((file) => file.includes("hold-")));
  other.kill("SIGKILL");
  await assert.rejects(waiting, { code: "PEER_GONE" });
  await until(() => !memories().some((file) => file.includes("hold-")));
}, { skip: () => noStop });

crossTest("what was opened stays open, though the program kept nothing of it", async (t) => {
  const keeper = t.start();
  await keeper.run(async ({ ipc }, name: string) => {
    const open = async () => {
      (await ipc.SharedArray.open(name, { type: "i32", length: 16 })).array[0] = 42;
      (await ipc.SharedMemory.open(`${name}-bytes`, { size: 3 })).bytes[0] = 43;
      (await ipc.SharedMemory.create({ size: 3 })).bytes[0] = 44;
    };
    await open();
  }, t.name);
  await keeper.run(async ({ collectGarbage }) => {
    for (let tries = 0; tries < 20; tries++) await collectGarbage();
  });
  using array = await SharedArray.open(t.name, { type: "i32" });
  using memory = await SharedMemory.open(`${t.name}-bytes`);
  assert.deepEqual([array.array[0], memory.bytes[0]], [42, 43]);
  const nameless = memories().filter((file) => /\/\+.*\/shared$/.test(file));
  assert.equal(nameless.length, 1);
  keeper.leave();
  await keeper.ended;
});

crossTest("one that was received and forgotten is closed when it is garbage", async (t) => {
  await serveApi(t);
  const other = t.start();
  await other.run(async ({ ipc, kept }, name: string) => {
    kept.client = await ipc.connect(name);
    const receive = async (i: number) => void ((await kept.client.remote.make(10, i)).bytes[0] = 1);
    for (let i = 0; i < 30; i++) await receive(i);
  }, t.name);
  const open = () => memories().filter((file) => file.includes("/member-")).length;
  // Whatever the collector still sees on the stack, it isn't all of them.
  for (let tries = 0; open() === 30 || tries === 0; tries++) {
    assert.ok(tries < 400, "none was closed");
    await other.run(({ collectGarbage }) => collectGarbage());
  }
  await other.run(({ kept }) => kept.client.close());
});

crossTest("a gigabyte crosses as it is", async (t) => {
  await serveApi(t);
  await using client = await connect<Api>(t.name);
  let memory: SharedMemory;
  try {
    memory = await SharedMemory.create({ size: 256 << 20 });
  } catch (error) {
    if ((error as { code?: string }).code === "NO_SPACE") return; // a small machine
    throw error;
  }
  using used = memory;
  const start = performance.now();
  using back = await client.remote.same(used);
  console.log(`256 MiB there and back: ${Math.round((performance.now() - start) * 1000)} µs`);
  used.bytes[(256 << 20) - 1] = 1;
  assert.equal(back.bytes[(256 << 20) - 1], 1);
}, { only: [thisRuntime] });

peersEnd();
