// Partners and clients that connect, send and end while the other side's event loop is busy: what
// they sent is handled, however they ended. See topic_speaker.test.ts for publishers.

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { whileBlocked } from "../support/blocked.ts";
import { type Cross, crossTest, peersEnd } from "../support/cross.ts";
import { type Peer, thisRuntime } from "../support/peers.ts";
import { until } from "../support/watchdog.ts";

const endings = ["closes", "closes and stays", "exits", "is killed"] as const;
type Ending = (typeof endings)[number];

/** How long the listener goes on being busy: long enough that nothing of the speaker is left. */
const BUSY_MS = 300;
const SAID = ["one", "two", "three"];

/** Lets a peer end in one of the ways; it has what it speaks with in `kept.speaker`. */
async function end(speaker: Peer, ending: Ending): Promise<void> {
  if (ending === "closes" || ending === "closes and stays") {
    await speaker.run(({ kept }) => kept.speaker.close());
    if (ending === "closes") await speaker.end();
    return;
  }
  if (ending === "is killed") speaker.kill("SIGKILL");
  else speaker.run(() => process.exit(0)).catch(() => {});
  await speaker.ended;
}

/** Starts a process, which speaks and ends while the listener is busy. */
async function speakTo(
  t: Cross,
  ending: Ending,
  open: (speaker: Peer) => Promise<void>,
  say: (speaker: Peer) => Promise<void>,
): Promise<void> {
  const speaker = t.start(thisRuntime);
  if (ending === "closes and stays") {
    await speaker.run(async ({ ipc, use }, name: string) => {
      use(await ipc.Channel.open(name));
    }, `${t.name}-other`);
  }
  await open(speaker);
  await whileBlocked(t.peer, async () => {
    await say(speaker);
    await end(speaker, ending);
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  });
}

for (const ending of endings) {
  const reason = ending.startsWith("closes") ? "closed" : ending === "is killed" ? "died" : "";

  crossTest(`a partner that ${ending} is heard by one that was busy`, async (t) => {
    await t.peer.run(async ({ ipc, use, kept, payloads }, name: string) => {
      kept.heard = [];
      kept.events = [];
      kept.channel = use(
        await ipc.Channel.open(name, {
          onMessage: (payload) => void kept.heard.push(payloads.text(payload)),
          onConnect: () => void kept.events.push("connect"),
          onDisconnect: (reason) => void kept.events.push(reason),
        }),
      );
      for (const text of ["a", "b", "c"]) kept.channel.send(payloads.utf8(text));
    }, t.name);
    const nothing = (): Promise<void> => Promise.resolve();
    await speakTo(t, ending, nothing, (speaker) =>
      speaker.run(
        async ({ ipc, kept, payloads, assert }, name: string, said: string[]) => {
          kept.speaker = await ipc.Channel.open(name);
          for (const text of said) assert.equal(kept.speaker.send(payloads.utf8(text)), true);
        },
        t.name,
        SAID,
      ));
    await until(
      () => t.peer.run(({ kept }) => kept.events.length >= 2),
      "the listener is told that it is gone",
    );
    const { heard, events, received, queued } = await t.peer.run(({ kept }) => ({
      heard: kept.heard,
      events: kept.events,
      received: kept.channel.stats.messagesReceived,
      queued: kept.channel.stats.queuedMessages,
    }));
    assert.deepEqual(heard, SAID);
    assert.equal(events[0], "connect");
    if (reason !== "") assert.equal(events[1], reason);
    assert.deepEqual([received, queued], [3, 3], "what waited still waits");

    const got: string[] = [];
    await using next = await Channel.open(t.name, {
      onMessage: (payload) => void got.push(new TextDecoder().decode(payload)),
    });
    await until(() => got.length >= 3, "what waited for a partner");
    assert.deepEqual(got, ["a", "b", "c"]);
    assert.equal(next.isConnected, true);
    assert.equal(await t.peer.run(({ kept }) => kept.events.length), 3);
  }, { limit: 60 });

  crossTest(`the one-way calls of a client that ${ending} are handled`, async (t) => {
    await t.peer.run(async ({ ipc, use, kept }, name: string) => {
      kept.heard = [];
      use(await ipc.serve(name, { say: (text: string) => void kept.heard.push(text) }));
    }, t.name);
    await speakTo(t, ending, (speaker) =>
      speaker.run(async ({ ipc, kept }, name: string) => {
        kept.speaker = await ipc.connect(name);
      }, t.name), (speaker) =>
      speaker.run(({ kept }, said: string[]) => {
        for (const text of said) kept.speaker.oneway.say(text);
      }, SAID));
    await until(() => t.peer.run(({ kept }) => kept.heard.length >= 3), "its calls");
    assert.deepEqual(await t.peer.run(({ kept }) => kept.heard), SAID);
  }, { limit: 60 });
}

peersEnd();
