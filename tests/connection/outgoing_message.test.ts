import assert from "node:assert/strict";
import { test } from "node:test";
import { attach } from "../../src/codec/attachments.ts";
import { OutgoingMessage } from "../../src/connection/outgoing_message.ts";
import { RecordFlag, RecordHeader, RecordKind } from "../../src/ring/record.ts";
import type { RecordFields } from "../../src/ring/record.ts";
import { pattern, TestRing } from "../support/ring.ts";

const CAPACITY = 1 << 16;
const PIECE = CAPACITY / 4 - 16;
const { more, attachment, references } = RecordFlag;
const fields = {
  kind: RecordKind.request,
  flags: references,
  method: 3,
  correlation: 4,
  extra: 5000,
};

type Written = RecordFields & { payload: Uint8Array };

/** Writes all of a message, reading the ring as often as it is full. */
function writeAll(message: OutgoingMessage, onFull: () => void = () => {}): Written[] {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const consumer = ring.consumer();
  const records: Written[] = [];
  for (let isWhole = false; !isWhole;) {
    isWhole = message.write(producer);
    if (!isWhole) onFull();
    while (consumer.next()) {
      records.push({ ...RecordHeader.copy(consumer), payload: consumer.take().slice() });
    }
  }
  assert.equal(message.left, 0);
  return records;
}

const lengths = (records: Written[]) => records.map(({ payload }) => payload.length);

test("what fits is one record", () => {
  for (const payload of [undefined, pattern(0, 1), pattern(PIECE, 1)]) {
    const message = new OutgoingMessage(RecordHeader.of(fields), payload);
    const [record, ...others] = writeAll(message);
    assert.deepEqual(others, []);
    assert.deepEqual(record, { ...fields, payload: payload ?? new Uint8Array(0) });
  }
});

test("a large body: a short piece, then full ones, which say how long it is", () => {
  const body = pattern(3 * PIECE, 1);
  const records = writeAll(new OutgoingMessage(RecordHeader.of(fields), body));
  assert.deepEqual(lengths(records), [1008, PIECE, PIECE, PIECE - 1008]);
  assert.deepEqual(records.map(({ kind }) => kind), [1, 5, 5, 5]);
  assert.deepEqual(records.map(({ flags }) => flags), [references | more, more, more, 0]);
  assert.deepEqual(records.map(({ extra }) => extra), [5000, 3 * PIECE, 3 * PIECE, 3 * PIECE]);
  assert.deepEqual(Buffer.concat(records.map(({ payload }) => payload)), Buffer.from(body));
});

test("attachments follow the body, each with its length", () => {
  const parts = [pattern(PIECE + 5, 2), pattern(20, 3)];
  const body = attach(pattern(7, 1), parts);
  const message = new OutgoingMessage(RecordHeader.of(fields), body);
  assert.equal(message.left, 7 + PIECE + 25);
  const records = writeAll(message);
  assert.deepEqual(lengths(records), [7, PIECE, 5, 20]);
  assert.deepEqual(records.map(({ flags }) => flags), [
    references | more,
    more | attachment,
    more,
    attachment,
  ]);
  assert.deepEqual(records.map(({ extra }) => extra), [5000, PIECE + 5, PIECE + 5, 20]);
});

test("what is kept is what was given, whatever is done with the memory afterwards", () => {
  for (const isOwn of [false, true]) {
    const size = 3 * CAPACITY;
    const parts = [pattern(size, 2), pattern(size, 3)];
    const body = attach(pattern(size, 1), parts);
    const message = new OutgoingMessage(RecordHeader.of(fields), body);
    let isKept = false;
    const records = writeAll(message, () => {
      if (isKept) return;
      isKept = true;
      message.keep(isOwn);
      if (!isOwn) body.fill(0);
      for (const part of parts) part.fill(0);
    });
    const all = Buffer.concat(records.map(({ payload }) => payload));
    const expected = [1, 2, 3].map((salt) => pattern(size, salt));
    assert.ok(all.equals(Buffer.concat(expected)), `own: ${isOwn}`);
  }
});

test("kept in the middle of an attachment", () => {
  using ring = new TestRing(CAPACITY);
  const producer = ring.producer();
  const parts = [pattern(2 * CAPACITY, 2)];
  const message = new OutgoingMessage(RecordHeader.of(fields), attach(pattern(7, 1), parts));
  assert.equal(message.write(producer), false);
  assert.equal(message.isBegun, true);
  const { left } = message;
  assert.ok(left < 2 * CAPACITY && left > CAPACITY);
  message.keep(true);
  parts[0]!.fill(0);
  const rest = writeAll(message);
  const got = Buffer.concat(rest.map(({ payload }) => payload));
  assert.ok(got.equals(Buffer.from(pattern(2 * CAPACITY, 2).subarray(2 * CAPACITY - left))));
  assert.equal(rest[0]!.flags & attachment, 0);
});
