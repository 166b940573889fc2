// What must hold for any layout. The numbers themselves are in docs/protocol.md (protocol.test.ts)
// and in the golden files.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as layout from "../../src/memory/layout.ts";

const {
  ConnectionLayout,
  EventLayout,
  Header,
  Member,
  MembershipLayout,
  MutexLayout,
  NodeLayout,
  PAGE,
  PipeLayout,
  PublisherLayout,
  QueueChunk,
  QueueLayout,
  RingWords,
  RwLockLayout,
  ServerLayout,
  Side,
  SubscriberSlot,
} = layout;

/** A cache line is 64 bytes, and prefetchers fetch pairs. */
const APART = 128;
const HEADER_END = Header.codec + 4;

/** Words that different processes write while the others read. */
const contended: Record<string, readonly number[]> = {
  node: [NodeLayout.bell, NodeLayout.block, NodeLayout.deaths, NodeLayout.top, NodeLayout.summary],
  ring: [RingWords.head, RingWords.consumerWaiting, RingWords.producerWaiting],
  connection: [ConnectionLayout.a, ConnectionLayout.b, ConnectionLayout.ringAB],
  server: [ServerLayout.source, ServerLayout.announcements, ServerLayout.connections],
  publisher: [PublisherLayout.source, PublisherLayout.oldest, PublisherLayout.wanted],
  subscriber: [SubscriberSlot.state, SubscriberSlot.head, SubscriberSlot.bytes],
  queue: [
    ...[QueueLayout.changes, QueueLayout.orders],
    ...[QueueLayout.wantMessage, QueueLayout.wantRoom],
  ],
  pipe: [
    ...[PipeLayout.head, PipeLayout.tail, PipeLayout.receiverWaiting, PipeLayout.senderWaiting],
    ...[PipeLayout.sender, PipeLayout.receiver, PipeLayout.messageBytes],
  ],
  mutex: [MutexLayout.owner, MutexLayout.contended],
  rwlock: [RwLockLayout.writer, RwLockLayout.contended],
  event: [EventLayout.state, EventLayout.sets, EventLayout.contended],
};

for (const [name, words] of Object.entries(contended)) {
  test(`${name}: words that several processes write are ${APART} bytes apart`, () => {
    for (const [i, word] of words.slice(1).entries()) {
      assert.ok(word - words[i]! >= APART, `${words[i]} and ${word}`);
    }
  });
}

test("what lies in one place ends before the next begins", () => {
  const order: Record<string, readonly number[]> = {
    node: [HEADER_END, NodeLayout.bell, NodeLayout.summary + 32 * 4, NodeLayout.description + 1],
    description: [NodeLayout.description + 4 + NodeLayout.descriptionBytes, NodeLayout.ready],
    ready: [NodeLayout.ready + layout.MAX_SOURCES / 8, NodeLayout.pages * PAGE],
    sides: [ConnectionLayout.a + Side.value + 4, ConnectionLayout.b],
    rings: [ConnectionLayout.ringAB + 3 * APART, ConnectionLayout.ringBA],
    names: [ConnectionLayout.ringBA + 3 * APART, ConnectionLayout.name],
    connection: [ConnectionLayout.name + 4 + ConnectionLayout.nameBytes, PAGE],
    members: [MembershipLayout.name + 4 + MembershipLayout.nameBytes, MembershipLayout.slots],
    data: [MembershipLayout.slots + layout.MAX_MEMBERS * Member.bytes, MembershipLayout.data],
    queue: [
      ...[QueueLayout.wantMessage + 32, QueueLayout.wantRoom],
      ...[QueueLayout.chunks + layout.QUEUE_CHUNKS * QueueChunk.bytes, QueueLayout.data],
    ],
    pipe: [PipeLayout.codecName + 4 + PipeLayout.codecNameBytes, MembershipLayout.name],
    publisher: [PublisherLayout.name + 4 + PublisherLayout.nameBytes, PublisherLayout.table],
  };
  for (const [name, places] of Object.entries(order)) {
    assert.deepEqual(places.toSorted((a, b) => a - b), places, name);
  }
});

test("the words of patterns lie where a membership leaves room for them", () => {
  for (const words of [QueueLayout, PipeLayout, MutexLayout, RwLockLayout, EventLayout]) {
    for (const [name, offset] of Object.entries(words)) {
      if (/Bytes$/.test(name) && offset < 1000) continue; // a length
      const isWord = offset >= MembershipLayout.words && offset < MembershipLayout.name;
      assert.ok(isWord || offset >= MembershipLayout.data, `${name} at ${offset}`);
      assert.equal(offset % 4, 0, name);
    }
  }
});

test("a segment has whole pages, and room for what is in it", () => {
  for (const slots of [1, 16, 17, 1000, layout.MAX_SUBSCRIBERS]) {
    const data = layout.publisherData(slots);
    assert.equal(data % PAGE, 0);
    assert.ok(data >= PublisherLayout.table + slots * SubscriberSlot.bytes);
    assert.ok(data - PAGE < PublisherLayout.table + slots * SubscriberSlot.bytes, "no page more");
  }
  assert.equal(layout.connectionPages(4096), 3);
  assert.equal(layout.connectionPages(layout.MAX_CAPACITY), 1 + 2 * 2 ** 18);
});

test("an unknown kind has a name, too", () => {
  assert.equal(layout.kindName(layout.Kind.pipe), "pipe");
  assert.equal(layout.kindName(4711), "unknown (4711)");
});
