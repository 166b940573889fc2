import assert from "node:assert/strict";
import { test } from "node:test";
import { CorruptSegmentError, LimitError } from "../../src/errors.ts";
import { Kind, MAX_MEMBERS, Member, MembershipLayout, PAGE } from "../../src/memory/layout.ts";
import { readNodeId, writeNodeId } from "../../src/memory/names.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { MemberTable } from "../../src/membership/member_table.ts";
import type { Realm } from "../../src/wake/realm.ts";
import { RungSource, withRealm } from "../support/realm.ts";
import { NOBODY } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

interface Parts {
  table: MemberTable;
  segment: Segment;
  realm: Realm;
}

function withTable(task: (parts: Parts) => void | Promise<void>): Promise<void> {
  return withRealm(async (realm, scratch) => {
    const pages = MembershipLayout.data / PAGE;
    const segment = scratch.segment("shared", { kind: Kind.mutex, pages });
    const table = new MemberTable(realm, segment);
    try {
      await task({ table, segment, realm });
    } finally {
      table.close();
      segment.close();
    }
  });
}

/** Offset of a member's word in the segment. */
function at(member: number, offset: number): number {
  return MembershipLayout.slots + member * Member.bytes + offset;
}

test("a member gets the first free slot, with its source and node, and nothing of the last", () =>
  withTable(({ table, segment, realm }) => {
    assert.deepEqual([5, 6, 7].map((source) => table.join(source)), [0, 1, 2]);
    assert.equal(table.used, 3);
    table.setWaiting(1);
    segment.setU32(at(1, Member.words), 99);
    table.leave(1);
    assert.deepEqual([0, 1, 2].map((member) => table.isJoined(member)), [true, false, true]);
    assert.equal(table.join(8), 1);
    assert.equal(table.used, 3, "slots are used again");
    assert.equal(segment.u32(at(1, Member.source)), 8);
    assert.equal(readNodeId(segment.bytes, at(1, Member.node)), realm.id);
    assert.equal(segment.u32(at(1, Member.words)), 0);
    assert.equal(table.takeWaiting(1), false);
  }));

test("there is a limit, which an error names", () =>
  withTable(({ table }) => {
    for (let member = 0; member < MAX_MEMBERS; member++) assert.equal(table.join(0), member);
    assert.throws(() => table.join(0), (error) => {
      assert.ok(error instanceof LimitError);
      assert.match(error.message, new RegExp(`has ${MAX_MEMBERS} members`));
      return true;
    });
    table.leave(100);
    assert.equal(table.join(0), 100);
  }));

test("a flag is taken once", () =>
  withTable(({ table }) => {
    const member = table.join(0);
    assert.equal(table.takeWaiting(member), false);
    table.setWaiting(member);
    assert.deepEqual([table.takeWaiting(member), table.takeWaiting(member)], [true, false]);
  }));

test("those that wait are rung, one or all, and no others", () =>
  withTable(async ({ table, realm }) => {
    const sources = Array.from({ length: 4 }, () => new RungSource(realm.reactor));
    for (const { index } of sources) table.join(index);
    await until(() => sources.every(({ polls }) => polls > 0), "the first polls");
    /** Which members were polled since, after what `task` does. */
    const rungBy = async (task: () => void): Promise<number[]> => {
      await new Promise((resolve) => setTimeout(resolve, 20)); // armed by now
      for (const source of sources) source.polls = 0;
      task();
      await until(() => sources.some(({ polls }) => polls > 0), "a poll");
      await new Promise((resolve) => setTimeout(resolve, 20));
      return sources.flatMap(({ polls }, member) => polls > 0 ? [member] : []);
    };

    for (const member of [1, 3]) table.setWaiting(member);
    assert.deepEqual(await rungBy(() => assert.equal(table.ringOne(2), true)), [3]);
    assert.deepEqual(await rungBy(() => assert.equal(table.ringOne(2), true)), [1]);
    assert.equal(table.ringOne(), false, "none waits any more");

    for (const member of [0, 2]) table.setWaiting(member);
    assert.deepEqual(await rungBy(() => table.ringWaiting()), [0, 2]);
    table.leave(2);
    assert.deepEqual(await rungBy(() => table.ringAll()), [0, 1, 3]);
  }));

test("a member whose node isn't there is dead, until its slot is another's", () =>
  withTable(({ table, segment }) => {
    table.join(0);
    table.join(0);
    assert.deepEqual(table.dead(), []);
    writeNodeId(segment.bytes, at(1, Member.node), NOBODY);
    const dead = table.dead();
    assert.deepEqual(dead.map(({ member, id }) => [member, id]), [[1, NOBODY]]);
    assert.equal(table.isSame(dead[0]!), true);
    table.ring(1); // rings nothing
    table.leave(1);
    assert.equal(table.isSame(dead[0]!), false, "free");
    table.join(0);
    assert.equal(table.isSame(dead[0]!), false, "another's");
    assert.deepEqual(table.dead(), []);
  }));

test("an impossible number of members is corrupt, wherever it is met", () =>
  withTable(({ table, segment }) => {
    table.join(0);
    for (const used of [MAX_MEMBERS + 1, 0x7fff_ffff, 0xffff_ffff]) {
      segment.setU32(MembershipLayout.used, used);
      const uses = [
        () => table.used,
        () => table.join(0),
        () => table.ringOne(),
        () => table.ringWaiting(),
        () => table.ringAll(),
        () => table.dead(),
      ];
      for (const use of uses) assert.throws(use, CorruptSegmentError);
    }
    segment.setU32(MembershipLayout.used, 1);
  }));
