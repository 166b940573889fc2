// An invitation, from its file to its answer. The test is the partner that answers.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import {
  INVITATION,
  Invitation,
  offeredCapacity,
  readSide,
  writeRefusal,
  writeSide,
} from "../../src/connection/handshake.ts";
import type { Offer } from "../../src/connection/handshake.ts";
import {
  CapacityMismatchError,
  CodecMismatchError,
  ConnectionLimitError,
  CorruptSegmentError,
  LimitError,
} from "../../src/errors.ts";
import { ConnectionLayout, Kind, Refusal, SideState } from "../../src/memory/layout.ts";
import { createNode, removeNode } from "../../src/memory/nodes.ts";
import { readText, Segment } from "../../src/memory/segment.ts";
import { Handle } from "../../src/wake/handle.ts";
import { native, NOBODY, Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

const FOLDER = ["kind", "name"];
const OFFER: Offer = { name: "name", capacity: 8192, grows: false, codec: 0 };

/** An invitation, and its partner's view of it. */
class Invited implements Disposable {
  readonly scratch: Scratch;
  readonly handle: Handle;
  readonly invitation: Invitation;
  /** The partner's mapping. */
  readonly segment: Segment;
  readonly reported: unknown[];
  answers = 0;

  private constructor(scratch: Scratch, handle: Handle, reported: unknown[], task: () => void) {
    this.scratch = scratch;
    this.handle = handle;
    this.reported = reported;
    this.invitation = Invitation.publish(handle, FOLDER, OFFER, () => {
      this.answers++;
      task();
    });
    this.segment = Segment.open(native, scratch.at(...FOLDER, this.files[0]!), Kind.connection)!;
  }

  /** `onAnswer` is called as the pattern's, with nothing by default. */
  static async publish(onAnswer: () => void = () => {}): Promise<Invited> {
    const scratch = new Scratch();
    const reported: unknown[] = [];
    const onError = (error: unknown): void => void reported.push(error);
    const options = { what: "a test", directory: scratch.path, onError };
    const handle = await Handle.open(options, (handle) => handle);
    return new Invited(scratch, handle, reported, onAnswer);
  }

  get files(): string[] {
    const folder = this.scratch.at(...FOLDER);
    return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  }

  [Symbol.dispose](): void {
    this.handle.close();
    this.segment.close();
    this.scratch[Symbol.dispose]();
  }
}

test("an invitation is one whole file, with what is offered and this side in it", async () => {
  using it = await Invited.publish();
  const { realm } = it.handle;
  const { index } = it.invitation;
  const [file, ...rest] = it.files;
  assert.deepEqual(rest, [], "no draft is left");
  assert.match(file!, new RegExp(`^${INVITATION}${index}-\\d+-${realm.id}$`));
  assert.equal(offeredCapacity(it.segment), OFFER.capacity);
  assert.equal(it.segment.size, ConnectionLayout.data + 2 * OFFER.capacity);
  const { name, nameBytes } = ConnectionLayout;
  assert.equal(readText(it.segment, name, nameBytes), OFFER.name);
  assert.deepEqual(readSide(it.segment, "a"), {
    node: realm.id,
    source: index,
    state: SideState.open,
  });
  assert.equal(readSide(it.segment, "b").state, SideState.absent);
  const other = Invitation.publish(it.handle, FOLDER, OFFER, () => {});
  assert.equal(it.files.length, 2, "each has a name of its own");
  other.withdraw();
  it.invitation.withdraw();
});

test("a side says what was written of it, and nothing of the other", async () => {
  using it = await Invited.publish();
  const a = readSide(it.segment, "a");
  writeSide(it.segment, "b", NOBODY, 0xffff_ffff);
  const b = { node: NOBODY, source: 0xffff_ffff, state: SideState.open };
  assert.deepEqual(readSide(it.segment, "b"), b);
  assert.deepEqual(readSide(it.segment, "a"), a);
  it.invitation.withdraw();
});

test("an answer is told, with or without a ring, until it is accepted", async () => {
  using it = await Invited.publish();
  const { invitation, segment, handle } = it;
  invitation.poll();
  assert.equal(invitation.arm(), true, "until it is rung");
  assert.equal(it.answers, 0);
  writeSide(segment, "b", NOBODY, 5);
  assert.equal(invitation.arm(), false, "a look is due");
  invitation.poll();
  assert.equal(it.answers, 1);
  assert.equal(invitation.refusal("name", OFFER), undefined);
  const accepted = invitation.accept();
  assert.equal(accepted.index, invitation.index);
  assert.equal(accepted.path, segment.path);
  invitation.poll();
  assert.equal(it.answers, 1);
  assert.equal(invitation.arm(), true);
  assert.ok(accepted.segment.mapped, "it is the connection's now");
  assert.equal(it.files.length, 1, "and so is the file");
  accepted.segment.close();
  handle.reactor.remove(accepted.index);
});

test("a refusal says why", async () => {
  using it = await Invited.publish();
  const { invitation, segment } = it;
  const refusals: [number, number, new (...args: never[]) => Error, RegExp][] = [
    [Refusal.connectionLimit, 3, ConnectionLimitError, /3/],
    [Refusal.codec, 1, CodecMismatchError, /name/],
    [Refusal.capacity, 65536, CapacityMismatchError, /8192.*65536|65536.*8192/],
    [0, 0, CorruptSegmentError, /without a known reason/],
    [99, 0, CorruptSegmentError, /without a known reason/],
  ];
  assert.equal(invitation.refusal("name", OFFER), undefined, "no answer is none");
  for (const [reason, value, kind, message] of refusals) {
    writeRefusal(segment, reason, value);
    const error = invitation.refusal("name", OFFER);
    assert.ok(error instanceof kind, String(error));
    assert.match(error.message, message);
  }
  invitation.poll();
  assert.equal(it.answers, 1, "that is an answer, too");
  invitation.withdraw();
});

test("the partner: alive, dead, or no partner at all", async () => {
  using it = await Invited.publish();
  const { invitation, segment, handle } = it;
  const node = createNode(native, it.scratch.directory);
  writeSide(segment, "b", node.id, 5);
  const { peer } = invitation.acquirePartner()!;
  assert.deepEqual([peer!.id, peer!.references], [node.id, 1]);
  handle.realm.releasePeer(peer!);
  node.segment.close();
  assert.deepEqual(invitation.acquirePartner(), { peer: undefined });
  removeNode(it.scratch.directory, node.id);
  assert.deepEqual(invitation.acquirePartner(), { peer: undefined });
  assert.deepEqual(it.reported, []);
  // A file that is no node.
  fs.writeFileSync(it.scratch.at("nodes", NOBODY), new Uint8Array(8192), { mode: 0o600 });
  writeSide(segment, "b", NOBODY, 5);
  assert.equal(invitation.acquirePartner(), undefined);
  assert.equal(it.reported.length, 1, "garbage is reported");
  fs.rmSync(it.scratch.at("nodes", NOBODY));
  invitation.withdraw();
});

test("an invitation that is taken back is gone, and a partner that has it open sees that", async () => {
  using it = await Invited.publish();
  const { invitation, segment, handle } = it;
  const { index } = invitation;
  invitation.withdraw();
  assert.equal(readSide(segment, "a").state, SideState.closed);
  await until(() => it.files.length === 0, "the file is removed");
  writeSide(segment, "b", NOBODY, 5);
  invitation.poll();
  assert.equal(it.answers, 0);
  assert.equal(invitation.arm(), true);
  assert.equal(handle.reactor.reserve(), index, "its source is free");
  handle.reactor.remove(index);
});

test("what can't be used for want of something is looked at again", async () => {
  let shortages = 2;
  using it = await Invited.publish(() => {
    if (shortages-- > 0) throw new LimitError("no descriptors");
    it.invitation.withdraw();
  });
  writeSide(it.segment, "b", NOBODY, 5);
  it.invitation.poll();
  assert.equal(it.answers, 1);
  it.invitation.poll();
  assert.equal(it.answers, 1, "but not at once, again and again");
  assert.equal(it.invitation.arm(), true);
  await until(() => it.answers === 3, "the answer is used");
  assert.equal(it.handle.isClosed, false);
});

test("anything else that an answer throws ends the handle", async () => {
  const failure = new RangeError("a fault of the pattern");
  using it = await Invited.publish(() => {
    throw failure;
  });
  writeSide(it.segment, "b", NOBODY, 5);
  it.handle.reactor.heat(it.invitation.index);
  await until(() => it.handle.isClosed, "the end of the handle");
  assert.equal(it.handle.reason, failure);
  assert.deepEqual(it.reported, [failure]);
  assert.equal(readSide(it.segment, "a").state, SideState.closed, "it was taken back");
  await until(() => it.files.length === 0, "the file is removed");
});

test("where nothing can be published nothing is left", async () => {
  using scratch = new Scratch();
  const handle = await Handle.open({ what: "a test", directory: scratch.path }, (it) => it);
  const free = handle.reactor.reserve();
  handle.reactor.remove(free);
  const bad = { ...OFFER, capacity: -1 << 20 };
  assert.throws(() => Invitation.publish(handle, FOLDER, bad, () => {}));
  assert.equal(fs.existsSync(scratch.at(...FOLDER)), false);
  assert.equal(handle.reactor.reserve(), free, "its source is free");
  handle.close();
});
