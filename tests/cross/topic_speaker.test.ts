// Publishers that open, publish and end while the subscriber's event loop is busy: what they published
// is heard, however they ended.

import assert from "node:assert/strict";
import { json, Publisher } from "../../mod.ts";
import { MAX_ENDED_PUBLISHERS } from "../../src/memory/layout.ts";
import { whileBlocked } from "../support/blocked.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { filesIn } from "../support/directories.ts";
import { noStop, type Peer } from "../support/peers.ts";
import { until } from "../support/watchdog.ts";

type Ending = "closes" | "exits" | "is killed";

/** Opens a publisher in a process of its own, publishes, and ends. */
async function speak(t: Cross, ending: Ending, values: string[]): Promise<void> {
  const speaker = t.start();
  await speaker.run(
    async ({ ipc, kept }, name: string, values: string[]) => {
      kept.publisher = await ipc.Publisher.open(name, { codec: ipc.json });
      for (const value of values) await kept.publisher.publish(value);
    },
    t.name,
    values,
  );
  if (ending === "is killed") speaker.kill("SIGKILL");
  else if (ending === "closes") await speaker.run(({ kept }) => kept.publisher.close());
  else speaker.run(() => process.exit(0)).catch(() => {});
  if (ending === "closes") await speaker.end();
  else await speaker.ended;
  // One that comes finds the dead, and removes what they left.
  await (await Publisher.open(`${t.name}-other`)).close();
}

for (const ending of ["closes", "exits", "is killed"] as const) {
  crossTest(`a publisher that ${ending} is heard by subscribers that were busy`, async (t) => {
    const listeners = [t.peer, t.start()];
    for (const listener of listeners) {
      await listener.run(async ({ ipc, use, kept }, name: string) => {
        kept.got = [];
        kept.events = [];
        const onMessage = (value: unknown) => void kept.got.push(value);
        use(
          await ipc.Subscriber.open(name, {
            codec: ipc.json,
            onMessage,
            onConnect: () => void kept.events.push("connect"),
            onDisconnect: (_, reason) => void kept.events.push(reason),
          }),
        );
      }, t.name);
    }
    const values = ["one", "two", "three"];
    await whileBlocked(
      listeners[0]!,
      () => whileBlocked(listeners[1]!, () => speak(t, ending, values)),
    );
    for (const listener of listeners) {
      await until(() => listener.run(({ kept }) => kept.events.length === 2), "it is gone");
      assert.deepEqual(await listener.run(({ kept }) => kept.got), values);
      const [, reason] = await listener.run(({ kept }) => kept.events);
      if (ending === "closes") assert.equal(reason, "closed");
      if (ending === "is killed") assert.equal(reason, "died");
    }
    // The file of what was heard is gone, and a new publisher is heard as ever.
    await using publisher = await Publisher.open(t.name, { codec: json });
    await publisher.ready(2);
    await publisher.publish("four");
    await until(() => t.peer.run(({ kept }) => kept.got.length === 4), "the next one");
  }, { limit: 90 });
}

crossTest(
  "a subscriber that is stopped keeps a bounded number of publishers that ended",
  async (t) => {
    const listener = t.start();
    await listener.run(async ({ ipc, kept }, name: string) => {
      kept.got = [];
      kept.errors = [];
      kept.subscriber = await ipc.Subscriber.open(name, {
        codec: ipc.json,
        onMessage: (value) => void kept.got.push(value),
        onError: (error) => void kept.errors.push(error),
      });
    }, t.name);
    listener.kill("SIGSTOP");
    for (let n = 0; n < MAX_ENDED_PUBLISHERS + 6; n++) {
      const publisher = await Publisher.open(t.name, { codec: json, capacity: 4096 });
      await publisher.publish(n);
      await publisher.close();
    }
    const left = filesIn().filter((file) => file.includes("/invitation-"));
    assert.equal(left.length, MAX_ENDED_PUBLISHERS);
    listener.kill("SIGCONT");
    await until(
      () => listener.run(({ kept }, n) => kept.got.length === n, MAX_ENDED_PUBLISHERS),
      "what was kept",
    );
    const { got, errors } = await listener.run(({ kept }) => ({
      got: kept.got,
      errors: kept.errors.map((
        { code, message }: { code: string; message: string },
      ) => [code, message]),
    }));
    assert.deepEqual(got.toSorted((a: number, b: number) => a - b), left.map((_, n) => n + 6));
    assert.equal(errors.length, 1);
    assert.equal(errors[0][0], "LAGGED");
    assert.match(errors[0][1], /^6 publishers of topic/);
    await listener.run(({ kept }) => kept.subscriber.close());
  },
  { limit: 90, skip: () => noStop },
);

crossTest("what was left for a subscriber goes with it when it closes or dies", async (t) => {
  const listeners = [t.start(), t.start()];
  for (const listener of listeners) {
    await listener.run(async ({ ipc, kept }, name: string) => {
      kept.subscriber = await ipc.Subscriber.open(name, { codec: ipc.json });
    }, t.name);
  }
  const [closing, dying] = listeners as [Peer, Peer];
  await whileBlocked(dying, async () => {
    await whileBlocked(closing, () => speak(t, "exits", ["one"]));
    await closing.run(({ kept }) => kept.subscriber.close());
    dying.kill("SIGKILL");
    await dying.ended;
  }).catch(() => {});
  await closing.end();
  await (await Publisher.open(`${t.name}-other`)).close();
}, { limit: 90 });

peersEnd();
