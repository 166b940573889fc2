// Channel: requests and their answers.

import assert from "node:assert/strict";
import { Channel, MessageTooLargeError, TimeoutError, UnknownMethodError } from "../../mod.ts";
import { crossTest, peersEnd } from "../support/cross.ts";
import { until } from "../support/watchdog.ts";
import { openEcho, openSilent } from "../support/partners.ts";
import { checkBytes, numbered, numberIn, pattern, text, utf8 } from "../support/payloads.ts";
import { sleep } from "../support/remote_functions.ts";

crossTest("requests are answered, awaited and blocking, from either side", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, payloads }, name: string) => {
    kept.channel = use(
      await ipc.Channel.open(name, {
        onRequest: (question) => payloads.utf8(`peer heard ${payloads.text(question)}`),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name, {
    onRequest: (question) => utf8(`test heard ${text(question)}`),
  });
  for (let round = 0; round < 20; round++) {
    assert.equal(text(await channel.request(utf8(`a${round}`))), `peer heard a${round}`);
    assert.equal(text(channel.requestSync(utf8(`b${round}`))), `peer heard b${round}`);
  }
  await t.peer.run(async ({ assert, kept, payloads: { text, utf8 } }) => {
    for (let round = 0; round < 20; round++) {
      assert.equal(text(await kept.channel.request(utf8(`c${round}`))), `test heard c${round}`);
      assert.equal(text(kept.channel.requestSync(utf8(`d${round}`))), `test heard d${round}`);
    }
  });
});

crossTest("both sides make requests at the same time", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.channel = use(await ipc.Channel.open(name, { onRequest: (payload) => payload }));
  }, t.name);
  await using channel = await Channel.open(t.name, { onRequest: (payload) => payload });
  const theirs = t.peer.run(async ({ assert, kept, payloads: { numbered, numberIn } }) => {
    for (let i = 0; i < 1000; i++) {
      assert.equal(numberIn(await kept.channel.request(numbered(i, 100))), i);
    }
  });
  for (let i = 0; i < 1000; i++) {
    assert.equal(numberIn(await channel.request(numbered(i, 50))), i);
  }
  await theirs;
});

crossTest("an empty payload is not the same as none, in requests and answers", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.got = [];
    const describe = (payload?: Uint8Array) => payload === undefined ? "none" : payload.length;
    use(
      await ipc.Channel.open(name, {
        onMessage: (payload) => void kept.got.push(describe(payload)),
        onRequest(payload) {
          kept.got.push(describe(payload));
          return payload; // empty or none, as it came
        },
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  const empty = new Uint8Array(0);
  assert.equal(await channel.request(), undefined);
  assert.deepEqual(await channel.request(empty), empty);
  assert.equal(channel.requestSync(), undefined);
  assert.deepEqual(channel.requestSync(empty), empty);
  channel.send();
  channel.send(empty);
  channel.send(utf8("x"));
  await channel.request();
  const got = await t.peer.run(({ kept }) => kept.got);
  assert.deepEqual(got, ["none", 0, "none", 0, "none", 0, 1, "none"]);
});

crossTest("a handler may answer nothing, now and later", async (t) => {
  await t.peer.run(async ({ ipc, use, sleep }, name: string) => {
    use(
      await ipc.Channel.open(name, {
        async onRequest(payload) {
          if (payload === undefined) return;
          await sleep(1);
          return payload.length === 0 ? undefined : new Uint8Array(0);
        },
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  assert.equal(await channel.request(), undefined);
  assert.equal(await channel.request(new Uint8Array(0)), undefined);
  assert.deepEqual(await channel.request(new Uint8Array(1)), new Uint8Array(0));
});

for (const capacity of [4096, 65536]) {
  crossTest(`payloads of any size cross a ring of ${capacity} bytes whole`, async (t) => {
    await openEcho(t.peer, t.name, { capacity });
    await using channel = await Channel.open(t.name, { capacity });
    const edges = [capacity / 4, capacity / 2, capacity, 2 * capacity, 4 * capacity];
    const around = edges.flatMap((edge) => [-33, -17, -16, -15, -8, -1, 0, 1].map((d) => edge + d));
    const sizes = [0, 1, 7, 8, 9, 15, 16, 17, 1000, 1024, ...around];
    for (const size of sizes) {
      const payload = pattern(size, size);
      checkBytes(await channel.request(payload), payload);
      checkBytes(channel.requestSync(payload), payload);
    }
  });
}

crossTest("5 MB cross a small ring and a large one whole", async (t) => {
  await openEcho(t.peer, `${t.name}-small`, { capacity: 4096 });
  await openEcho(t.peer, `${t.name}-large`, { capacity: 1 << 20 });
  await using small = await Channel.open(`${t.name}-small`);
  await using large = await Channel.open(`${t.name}-large`);
  const payload = pattern(5 << 20, 1);
  checkBytes(await small.request(payload), payload);
  checkBytes(large.requestSync(payload), payload);
});

crossTest("what is sent is what the caller gave, whatever it does with its memory", async (t) => {
  await openEcho(t.peer, t.name, { capacity: 4096 });
  await using channel = await Channel.open(t.name);
  const payload = pattern(300_000, 5);
  const answer = channel.request(payload);
  const expected = payload.slice();
  payload.fill(0);
  checkBytes(await answer, expected);
  const view = expected.subarray(11, 2011); // a part of a buffer is only that part
  checkBytes(await channel.request(view), view);
});

crossTest("64 requests in flight, of mixed sizes, get each its own answer", async (t) => {
  await t.peer.run(async ({ ipc, use, sleep }, name: string) => {
    let state = 1;
    use(
      await ipc.Channel.open(name, {
        capacity: 16384,
        async onRequest(payload) {
          state = state * 48271 % 2147483647;
          if (state % 4 === 0) await sleep(state % 3);
          return payload;
        },
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  const sizes = [4, 5, 64, 500, 3000, 20_000, 100_000];
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let number = next++; number < 800; number = next++) {
      const payload = numbered(number, sizes[number % sizes.length]);
      checkBytes(await channel.request(payload), payload);
    }
  };
  await Promise.all(Array.from({ length: 64 }, caller));
  assert.equal(channel.stats.pendingCalls, 0);
});

crossTest("answers may come in another order than their requests", async (t) => {
  await t.peer.run(async ({ ipc, use }, name: string) => {
    const held: (() => void)[] = [];
    use(
      await ipc.Channel.open(name, {
        onRequest: (payload) =>
          new Promise((resolve) => {
            held.push(() => resolve(payload));
            if (held.length === 5) setTimeout(() => held.reverse().forEach((answer) => answer()));
          }),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  const order: number[] = [];
  await Promise.all([0, 1, 2, 3, 4].map(async (number) => {
    order.push(numberIn(await channel.request(numbered(number))));
  }));
  assert.deepEqual(order, [4, 3, 2, 1, 0]);
});

crossTest("handlers make requests in turn, twelve levels deep", async (t) => {
  await t.peer.run(async ({ ipc, use, payloads: { numbered, numberIn } }, name: string) => {
    const channel: Awaited<ReturnType<typeof ipc.Channel.open>> = use(
      await ipc.Channel.open(name, {
        async onRequest(payload) {
          const level = numberIn(payload);
          if (level === 0) return numbered(1000);
          return numbered(numberIn(await channel.request(numbered(level - 1))) + 1);
        },
      }),
    );
  }, t.name);
  await using channel: Channel = await Channel.open(t.name, {
    async onRequest(payload) {
      const level = numberIn(payload);
      if (level === 0) return numbered(2000);
      return numbered(numberIn(await channel.request(numbered(level - 1))) + 1);
    },
  });
  const answers = await Promise.all([12, 11, 0].map((level) => channel.request(numbered(level))));
  assert.deepEqual(answers.map(numberIn), [1012, 2011, 1000]);
});

crossTest("blocking requests inside of blocking requests, both ways", async (t) => {
  await t.peer.run(async ({ ipc, use, kept, payloads: { numbered, numberIn } }, name: string) => {
    const channel: Awaited<ReturnType<typeof ipc.Channel.open>> = use(
      await ipc.Channel.open(name, {
        onRequest(payload) {
          const level = numberIn(payload);
          if (level === 0) return numbered(1000);
          return numbered(numberIn(channel.requestSync(numbered(level - 1))) + 1);
        },
      }),
    );
    kept.channel = channel;
  }, t.name);
  await using channel: Channel = await Channel.open(t.name, {
    onRequest(payload) {
      const level = numberIn(payload);
      if (level === 0) return numbered(2000);
      return numbered(numberIn(channel.requestSync(numbered(level - 1))) + 1);
    },
  });
  for (let round = 0; round < 10; round++) {
    assert.equal(numberIn(channel.requestSync(numbered(12))), 1012);
    assert.equal(numberIn(channel.requestSync(numbered(7))), 2007);
  }
  const theirs = await t.peer.run(({ kept, payloads: { numbered, numberIn } }) =>
    [1, 6, 9].map((level) => numberIn(kept.channel.requestSync(numbered(level))))
  );
  assert.deepEqual(theirs, [1001, 2006, 1009]);
});

crossTest("awaited calls go on while and after a blocking one waits", async (t) => {
  await openEcho(t.peer, t.name);
  await using channel = await Channel.open(t.name);
  const awaited = Array.from({ length: 50 }, (_, i) => channel.request(numbered(i, 1000)));
  for (let i = 0; i < 50; i++) assert.equal(numberIn(channel.requestSync(numbered(i))), i);
  const answers = await Promise.all(awaited);
  assert.deepEqual(answers.map(numberIn), awaited.map((_, i) => i));
});

crossTest("both sides block on each other at the same time", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.channel = use(await ipc.Channel.open(name, { onRequest: (payload) => payload }));
  }, t.name);
  await using channel = await Channel.open(t.name, { onRequest: (payload) => payload });
  await channel.whenConnected();
  const theirs = t.peer.run(({ kept, assert, payloads: { numbered, numberIn } }) => {
    for (let i = 0; i < 1000; i++) {
      assert.equal(numberIn(kept.channel.requestSync(numbered(i), { timeout: 10_000 })), i);
    }
  });
  for (let i = 0; i < 1000; i++) {
    assert.equal(numberIn(channel.requestSync(numbered(i), { timeout: 10_000 })), i);
  }
  await theirs;
});

crossTest("a call times out at its time, not before", async (t) => {
  await openSilent(t.peer, t.name);
  await using channel = await Channel.open(t.name, { timeout: 60 });
  await channel.whenConnected();
  const untouched = channel.request(undefined, { timeout: Infinity });
  untouched.catch(() => {});
  const waits = async (call: () => unknown, timeout: number): Promise<void> => {
    const start = performance.now();
    await assert.rejects(async () => await call(), (error) => {
      assert.ok(error instanceof TimeoutError, String(error));
      assert.equal(error.timeout, timeout);
      return error.code === "TIMEOUT" && error.name === "TimeoutError";
    });
    const took = performance.now() - start;
    assert.ok(took >= timeout, `${took} ms, before its time`);
  };
  for (const timeout of [0, 1, 2.5, 40]) {
    await waits(() => channel.request(undefined, { timeout }), timeout);
    await waits(() => channel.requestSync(undefined, { timeout }), timeout);
  }
  await waits(() => channel.request(), 60);
  await waits(() => channel.requestSync(), 60);
  const many = [30, 10, 50, 20].map((timeout) =>
    waits(() => channel.request(undefined, { timeout }), timeout)
  );
  await Promise.all(many);
  assert.equal(channel.stats.timeouts, 14);
  assert.equal(channel.stats.pendingCalls, 1, "a call with another timeout still waits");
});

crossTest("waiting for a partner counts for the timeout of a call", async (t) => {
  await using channel = await Channel.open(t.name);
  const start = performance.now();
  await assert.rejects(channel.request(undefined, { timeout: 50 }), { code: "TIMEOUT" });
  assert.throws(() => channel.requestSync(undefined, { timeout: 50 }), { code: "TIMEOUT" });
  await assert.rejects(channel.whenConnected({ timeout: 50 }), { code: "TIMEOUT" });
  assert.ok(performance.now() - start >= 150);
  const waiting = channel.request(numbered(7), { timeout: 20_000 });
  await openEcho(t.peer, t.name);
  assert.equal(numberIn(await waiting), 7);
});

crossTest("a blocking call waits for its partner to come", async (t) => {
  await using channel = await Channel.open(t.name);
  const coming = t.peer.run(async ({ ipc, use, sleep }, name: string) => {
    await sleep(30);
    use(await ipc.Channel.open(name, { onRequest: (payload) => payload }));
  }, t.name);
  await sleep(5); // the order to come is on its way before this thread blocks
  assert.equal(numberIn(channel.requestSync(numbered(9), { timeout: 20_000 })), 9);
  await coming;
});

crossTest("a signal gives a call up, and the handler hears of it", async (t) => {
  await t.peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.aborted = [];
    use(
      await ipc.Channel.open(name, {
        onRequest: (payload, { signal }) =>
          new Promise(() => {
            signal.addEventListener("abort", () => kept.aborted.push(payload![0]));
          }),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  await channel.whenConnected();
  const reason = new Error("changed my mind");
  const before = AbortSignal.abort(reason);
  await assert.rejects(channel.request(new Uint8Array([1]), { signal: before }), reason);
  const controller = new AbortController();
  const calls = [2, 3].map((n) =>
    assert.rejects(channel.request(new Uint8Array([n]), { signal: controller.signal }), reason)
  );
  const timedOut = assert.rejects(channel.request(new Uint8Array([4]), { timeout: 30 }), {
    code: "TIMEOUT",
  });
  await sleep(10);
  controller.abort(reason);
  await Promise.all([...calls, timedOut]);
  await until(async () => (await t.peer.run(({ kept }) => kept.aborted.length)) === 3);
  assert.deepEqual(await t.peer.run(({ kept }) => kept.aborted), [2, 3, 4]);
  assert.equal(channel.stats.pendingCalls, 0);
});

crossTest("a signal gives up waiting for a partner", async (t) => {
  await using channel = await Channel.open(t.name);
  const controller = new AbortController();
  const reason = new Error("nobody comes");
  const waits = [
    channel.whenConnected({ signal: controller.signal }),
    channel.request(undefined, { signal: controller.signal }),
  ].map((wait) => assert.rejects(wait, reason));
  await sleep(5);
  controller.abort(reason);
  await Promise.all(waits);
});

crossTest("a handler knows when its caller stops waiting", async (t) => {
  await t.peer.run(async ({ ipc, use, payloads }, name: string) => {
    use(
      await ipc.Channel.open(name, {
        onRequest: (_payload, { deadline }) =>
          payloads.utf8(String(Math.min(deadline - performance.now(), 1e9))),
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  const left = async (timeout: number): Promise<number> =>
    Number(text(await channel.request(undefined, { timeout })));
  const soon = await left(5000);
  assert.ok(soon > 0 && soon <= 5001, `${soon} ms`);
  assert.equal(await left(Infinity), 1e9);
});

crossTest("a late answer never reaches a later call", async (t) => {
  await t.peer.run(async ({ ipc, use }, name: string) => {
    let late: (() => void)[] = [];
    use(
      await ipc.Channel.open(name, {
        onRequest: (payload) =>
          payload![0] !== 1 ? payload : new Promise((resolve) => late.push(() => resolve(payload))),
        onMessage() {
          for (const answer of late) answer();
          late = [];
        },
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  await channel.whenConnected();
  for (let round = 0; round < 10; round++) {
    const late = assert.rejects(channel.request(new Uint8Array([1, round]), { timeout: 5 }));
    assert.throws(() => channel.requestSync(new Uint8Array([1, round]), { timeout: 5 }));
    await late;
    channel.send(); // now they come
    const answers = await Promise.all([2, 3, 4].map((n) => channel.request(new Uint8Array([n]))));
    assert.deepEqual(answers.map((answer) => answer![0]), [2, 3, 4]);
    assert.deepEqual(channel.requestSync(new Uint8Array([5])), new Uint8Array([5]));
  }
});

crossTest("a handler's error reaches the caller whole", async (t) => {
  await t.peer.run(async ({ ipc, use, sleep }, name: string) => {
    const fail = (kind: number): never => {
      if (kind === 0) {
        const cause = new TypeError("no such price", { cause: new Error("deepest") });
        throw Object.assign(new RangeError("out of range", { cause }), { symbol: "EUR", tries: 3 });
      }
      if (kind === 1) {
        const error = new Error("special");
        error.name = "PriceError";
        throw error;
      }
      throw "just text";
    };
    use(
      await ipc.Channel.open(name, {
        onRequest(payload) {
          const [kind, later] = payload!;
          return later ? sleep(1).then(() => fail(kind!)) : fail(kind!);
        },
      }),
    );
  }, t.name);
  await using channel = await Channel.open(t.name);
  for (const later of [0, 1]) {
    await assert.rejects(channel.request(new Uint8Array([0, later])), checkRangeError);
    await assert.rejects(channel.request(new Uint8Array([1, later])), {
      name: "PriceError",
      message: "special",
    });
    await assert.rejects(channel.request(new Uint8Array([2, later])), (e) => e === "just text");
    assert.throws(() => channel.requestSync(new Uint8Array([0, later])), checkRangeError);
  }
});

function checkRangeError(error: unknown): true {
  assert.ok(error instanceof RangeError);
  const { message, stack, symbol, tries } = error as RangeError & Record<string, unknown>;
  assert.deepEqual({ message, symbol, tries }, {
    message: "out of range",
    symbol: "EUR",
    tries: 3,
  });
  assert.match(stack!, /fail/, "the stack of the other side");
  assert.ok(error.cause instanceof TypeError);
  assert.equal(error.cause.message, "no such price");
  assert.equal((error.cause.cause as Error).message, "deepest");
  return true;
}

crossTest(
  "no handler, and a handler that returns no bytes, are errors of the caller",
  async (t) => {
    await t.peer.run(async ({ ipc, use }, name: string) => {
      use(await ipc.Channel.open(`${name}-none`));
      use(await ipc.Channel.open(`${name}-text`, { onRequest: () => "text" as never }));
    }, t.name);
    await using none = await Channel.open(`${t.name}-none`);
    await using wrong = await Channel.open(`${t.name}-text`);
    await assert.rejects(none.request(), UnknownMethodError);
    assert.throws(() => none.requestSync(), { code: "UNKNOWN_METHOD" });
    await assert.rejects(wrong.request(), /must return a Uint8Array or undefined/);
  },
);

crossTest("a message over the limit of either side is refused, and others go on", async (t) => {
  await openEcho(t.peer, t.name, { maxMessageBytes: 50_000, capacity: 4096 });
  await using channel = await Channel.open(t.name, { maxMessageBytes: 100_000 });
  const inTime = channel.request(numbered(1, 40_000));
  await assert.rejects(channel.request(new Uint8Array(100_001)), MessageTooLargeError);
  assert.throws(() => channel.send(new Uint8Array(100_001)), MessageTooLargeError);
  await assert.rejects(channel.request(new Uint8Array(50_001)), /the side that receives/);
  assert.throws(() => channel.requestSync(new Uint8Array(50_001)), { code: "MESSAGE_TOO_LARGE" });
  assert.equal(numberIn(await inTime), 1);
  assert.equal(numberIn(await channel.request(numbered(2, 50_000))), 2);
});

peersEnd();
