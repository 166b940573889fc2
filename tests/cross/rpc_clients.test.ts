// RPC: how clients and servers find each other, how many there may be, and servers on bytes.

import assert from "node:assert/strict";
import {
  CodecMismatchError,
  connect,
  ConnectionLimitError,
  json,
  NameTakenError,
  PeerGoneError,
  RpcClient,
  RpcServer,
  serve,
  TimeoutError,
} from "../../mod.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { checkBytes, numberIn, pattern, text } from "../support/payloads.ts";
import { thisRuntime } from "../support/peers.ts";
import { sleep } from "../support/remote_functions.ts";

interface Api {
  add(a: number, b: number): number;
  whoAmI(): string;
  hang(): Promise<never>;
}

/** Serves it in the peer; `kept` there has the server, its events and what was aborted. */
async function serveApi(t: Cross, options: object = {}): Promise<void> {
  await t.peer.run(
    async ({ ipc, use, kept }, name: string, options: object) => {
      kept.events = [];
      kept.aborted = 0;
      const api = {
        add: (a: number, b: number) => a + b,
        hang() {
          ipc.currentCall().signal.addEventListener("abort", () => kept.aborted++);
          return new Promise<never>(() => {});
        },
      };
      kept.server = use(
        await ipc.serve(name, api, {
          ...options,
          onConnect: (server) => kept.events.push(`+${server.connections}`),
          onDisconnect: (server) => kept.events.push(`-${server.connections}`),
        }),
      );
    },
    t.name,
    options,
  );
}

const connectionsOf = (t: Cross): Promise<number> =>
  t.peer.run(({ kept }): number => kept.server.connections);

// --------------------------------------------------------------------------- bytes

crossTest("a server on bytes: requests, messages, nothing and empty", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.got = [];
    use(
      await ipc.RpcServer.open(name, {
        onRequest: (payload) => payload,
        onMessage: (payload) => void kept.got.push(payload?.length ?? "none"),
      }),
    );
  }, t.name);
  await using client = await RpcClient.open(t.name, { capacity: 4096 });
  const empty = new Uint8Array(0);
  assert.equal(await client.request(), undefined);
  assert.equal(client.requestSync(), undefined);
  assert.deepEqual(await client.request(empty), empty);
  assert.deepEqual(client.requestSync(empty), empty);
  for (const size of [1, 7, 8, 9, 1000, 1008, 1009, 4096, 100_000, 1 << 20]) {
    checkBytes(await client.request(pattern(size, size)), pattern(size, size));
    checkBytes(client.requestSync(pattern(size, size)), pattern(size, size));
  }
  client.send();
  client.send(empty);
  client.send(pattern(5000, 1));
  await client.writable;
  await client.request();
  assert.deepEqual(await t.peer.run(({ kept }) => kept.got), ["none", 0, 5000]);
  assert.equal(client.stats.bytesReceived > 1 << 20, true);
});

crossTest("a server on bytes makes no difference between its clients' answers", async (t) => {
  await using server = await RpcServer.open(t.name, {
    onRequest: (payload) => sleep(numberIn(payload) % 3).then(() => payload),
  });
  const calls = (count: number): Promise<void> =>
    t.peer.run(
      async ({ ipc, payloads: { numbered, checkBytes } }, name: string, count: number) => {
        const clients = await Promise.all([1, 2, 3, 4, 5].map(() => ipc.RpcClient.open(name)));
        await Promise.all(clients.map(async (client, which) => {
          for (let i = 0; i < count; i++) {
            const payload = numbered(which * 1000 + i, 10 + which * 300);
            checkBytes(await client.request(payload), payload);
          }
          await client.close();
        }));
      },
      t.name,
      count,
    );
  await calls(50);
  await until(() => server.connections === 0);
});

// -------------------------------------------------------------- getting in, and not

crossTest("a client may come before its server", async (t) => {
  const coming = connect<Api>(t.name);
  await sleep(20);
  await serveApi(t);
  await using client = await coming;
  assert.equal(await client.remote.add(1, 2), 3);
});

crossTest("connecting times out without a server, and leaves nothing", async (t) => {
  const start = performance.now();
  await assert.rejects(connect(t.name, { connectTimeout: 60 }), (error) => {
    assert.ok(error instanceof TimeoutError, String(error));
    assert.match(error.message, new RegExp(`"${t.name}".*60 ms.*running`));
    return error.timeout === 60;
  });
  assert.ok(performance.now() - start >= 60);
  const reason = new Error("no more");
  const controller = new AbortController();
  const given = assert.rejects(connect(t.name, { signal: controller.signal }), reason);
  await sleep(10);
  controller.abort(reason);
  await given;
  await assert.rejects(RpcClient.open(t.name, { signal: AbortSignal.abort(reason) }), reason);
  await serveApi(t); // the invitations that were taken back don't disturb it
  await using client = await connect<Api>(t.name);
  assert.equal(client.sync.add(1, 1), 2);
  assert.equal(await connectionsOf(t), 1);
});

crossTest("over the limit clients are refused at the door, until one leaves", async (t) => {
  await serveApi(t, { maxConnections: 3 });
  const other = t.start();
  const clients = [await connect<Api>(t.name), await connect<Api>(t.name)];
  await other.run(async ({ ipc, kept }, name: string) => {
    kept.client = await ipc.connect<{ add(a: number, b: number): number }>(name);
  }, t.name);
  for (let tries = 0; tries < 3; tries++) {
    await assert.rejects(connect(t.name), (error) => {
      assert.ok(error instanceof ConnectionLimitError, String(error));
      assert.match(error.message, /accepts 3/);
      return error.code === "CONNECTION_LIMIT";
    });
  }
  assert.equal(await other.run(({ kept }): number => kept.client.remote.add(2, 2)), 4);
  await clients[0]!.close();
  await until(async () => await connectionsOf(t) === 2);
  await using third = await connect<Api>(t.name);
  assert.equal(await third.remote.add(1, 2), 3);
  await assert.rejects(connect(t.name), ConnectionLimitError);
  other.kill("SIGKILL");
  await until(async () => await connectionsOf(t) === 2);
  await using fourth = await connect<Api>(t.name);
  assert.equal(await fourth.remote.add(2, 3), 5);
  await clients[1]!.close();
});

crossTest("another codec is refused, with both names", async (t) => {
  await serveApi(t);
  await assert.rejects(connect(t.name, { codec: json }), (error) => {
    assert.ok(error instanceof CodecMismatchError, String(error));
    assert.match(error.message, /"messagepack".*"json"/);
    return error.code === "CODEC_MISMATCH";
  });
  await assert.rejects(RpcClient.open(t.name), /"messagepack".*"bytes"/);
  await using client = await connect<Api>(t.name);
  assert.equal(await client.remote.add(1, 2), 3);
});

crossTest("another ring capacity is refused where the server has one", async (t) => {
  await serveApi(t, { capacity: 8192 });
  await assert.rejects(connect(t.name, { capacity: 4096 }), { code: "CAPACITY_MISMATCH" });
  await using client = await connect<Api>(t.name, { capacity: 8192 });
  assert.equal(await client.remote.add(1, 2), 3);
});

crossTest("a client that names no ring capacity takes the server's", async (t) => {
  await serveApi(t, { capacity: 8192 });
  await using client = await connect<Api>(t.name);
  assert.equal(await client.remote.add(1, 2), 3);
  // Another server may want another one.
  await t.peer.reset();
  await until(() => !client.isConnected);
  await serveApi(t, { capacity: 16384 });
  await until(() => client.isConnected);
  assert.equal(await client.remote.add(3, 4), 7);
});

crossTest("one server has the name", async (t) => {
  await serveApi(t);
  await assert.rejects(serve(t.name, {}), NameTakenError);
  await assert.rejects(RpcServer.open(t.name), { code: "NAME_TAKEN" });
  await t.peer.reset();
  await using server = await serve(t.name, { add: (a: number, b: number) => a - b });
  assert.equal(server.isClosed, false);
  const answer = await t.peer.run(async ({ ipc, use }, name: string) => {
    return await use(await ipc.connect<{ add(a: number, b: number): number }>(name))
      .remote.add(3, 1);
  }, t.name);
  assert.equal(answer, 2);
});

// ------------------------------------------------------------------------ being many

crossTest("a server knows how many are connected, and hears of each", async (t) => {
  await serveApi(t);
  const clients = [];
  for (let i = 0; i < 5; i++) clients.push(await connect<Api>(t.name));
  await until(async () => await connectionsOf(t) === 5);
  for (const client of clients) await client.close();
  await until(async () => await connectionsOf(t) === 0);
  const events = await t.peer.run(({ kept }) => kept.events);
  assert.deepEqual(events, ["+1", "+2", "+3", "+4", "+5", "-4", "-3", "-2", "-1", "-0"]);
});

crossTest("many clients in two processes, many calls of each at once", async (t) => {
  await serveApi(t);
  const elsewhere = t.peer.run(async ({ ipc, assert }, name: string) => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => {
      return ipc.connect<{ add(a: number, b: number): number }>(name, { capacity: 4096 });
    }));
    await Promise.all(clients.map(async ({ remote }, c) => {
      for (let i = 0; i < 20; i++) assert.equal(await remote.add(c, i), c + i);
    }));
    await Promise.all(clients.map((client) => client.close()));
  }, t.name);
  const clients = await Promise.all(
    Array.from({ length: 60 }, () => connect<Api>(t.name, { capacity: 4096 })),
  );
  await Promise.all(clients.map(async ({ remote }, c) => {
    for (let i = 0; i < 10; i++) {
      const calls = [0, 1, 2, 3].map((n) => remote.add(c * 1000 + i, n));
      assert.deepEqual(await Promise.all(calls), [0, 1, 2, 3].map((n) => c * 1000 + i + n));
    }
  }));
  assert.equal(clients[7]!.sync.add(1, 7), 8);
  await elsewhere;
  await Promise.all(clients.map((client) => client.close()));
});

crossTest("5,000 clients opened in parallel, a call on each", async (t) => {
  await serveApi(t);
  const options = { capacity: 4096, connectTimeout: 60_000, timeout: 60_000 };
  const clients = await Promise.all(
    Array.from({ length: 5000 }, () => connect<Api>(t.name, options)),
  );
  const answers = await Promise.all(clients.map(({ remote }, i) => remote.add(i, 1)));
  assert.deepEqual(answers, clients.map((_, i) => i + 1));
  assert.equal(await connectionsOf(t), 5000);
  await Promise.all(clients.map((client) => client.close()));
  await until(async () => await connectionsOf(t) === 0);
  // The other pairs are in tests/soak.
}, { limit: 90, only: thisRuntime === "deno" ? ["bun"] : [] });

crossTest("a client that dies: its calls are aborted, the count goes down", async (t) => {
  let aborted = 0;
  const counts: number[] = [];
  await using server = await RpcServer.open(t.name, {
    onRequest: (payload, { signal }) => {
      if (text(payload) === "quick") return payload;
      return new Promise<undefined>(() => {
        signal.addEventListener("abort", () => {
          assert.ok(signal.reason instanceof PeerGoneError);
          aborted++;
        });
      });
    },
    onDisconnect: ({ connections }) => void counts.push(connections),
  });
  const dying = t.start();
  for (const peer of [t.peer, dying]) {
    await peer.run(async ({ ipc, use, kept, payloads: { utf8 } }, name: string) => {
      kept.client = use(await ipc.RpcClient.open(name));
      for (let i = 0; i < 3; i++) kept.client.request(utf8("slow")).catch(() => {});
      await kept.client.request(utf8("quick"));
    }, t.name);
  }
  assert.equal(server.connections, 2);
  dying.kill("SIGKILL");
  await dying.ended;
  await until(() => aborted === 3 && server.connections === 1);
  assert.deepEqual(counts, [1]);
  const answer = await t.peer.run(async ({ kept, payloads: { text, utf8 } }) => {
    return text(await kept.client.request(utf8("quick")));
  });
  assert.equal(answer, "quick", "the others are untouched");
  await t.peer.reset();
  await until(() => aborted === 6 && server.connections === 0);
});

crossTest("use after close", async (t) => {
  await serveApi(t);
  const client = await connect<Api>(t.name);
  const pending = assert.rejects(client.remote.hang(), { code: "CLOSED" });
  await client.remote.add(1, 2);
  await client.close();
  await client.close();
  await pending;
  assert.equal(client.isClosed, true);
  await assert.rejects(client.remote.add(1, 2), { code: "CLOSED" });
  assert.throws(() => client.sync.add(1, 2), { code: "CLOSED" });
  assert.throws(() => client.oneway.add(1, 2), { code: "CLOSED" });
  await until(() => t.peer.run(({ kept }) => kept.aborted === 1));
});

crossTest("server and clients in one process", async (t) => {
  await using server = await serve(t.name, {
    add: (a: number, b: number) => a + b,
    addLater: (a: number, b: number) => sleep(1).then(() => a + b),
  });
  interface Both extends Api {
    addLater(a: number, b: number): Promise<number>;
  }
  await using one = await connect<Both>(t.name);
  await using two = await connect<Both>(t.name);
  assert.equal(await one.remote.add(1, 2) + await two.remote.addLater(3, 4), 10);
  assert.equal(one.sync.add(5, 6), 11);
  assert.throws(() => two.sync.addLater(7, 8), { code: "DEADLOCK" });
  assert.equal(server.connections, 2);
  const theirs = await t.peer.run(async ({ ipc, use }, name: string) => {
    return use(await ipc.connect<{ addLater(a: number, b: number): number }>(name))
      .sync.addLater(9, 1);
  }, t.name);
  assert.equal(theirs, 10);
});

peersEnd();
