import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { test } from "node:test";
import { CapacityMismatchError, KindMismatchError, LimitError } from "../../src/errors.ts";
import { Kind, MAX_MEMBERS, Member, MembershipLayout } from "../../src/memory/layout.ts";
import { Membership } from "../../src/membership/membership.ts";
import type { MembershipHooks, MembershipParameters } from "../../src/membership/membership.ts";
import { withRealm } from "../support/realm.ts";
import { runtimeCommand } from "../support/process.ts";
import { until, within } from "../support/watchdog.ts";

const parameters: MembershipParameters = {
  folder: "queue",
  name: "jobs",
  encoded: "jobs",
  kind: Kind.queue,
  dataBytes: (capacity) => capacity,
  capacity: undefined,
  defaultCapacity: 4096,
};
const hooks: MembershipHooks = { recover: () => {} };

test("members share a segment that goes with the last of them", () =>
  withRealm((realm, scratch) => {
    const one = Membership.join(realm, parameters, hooks, 1);
    const two = Membership.join(realm, parameters, hooks, 2);
    assert.deepEqual([one.index, two.index], [0, 1]);
    one.segment.setU32(MembershipLayout.words, 77);
    assert.equal(two.segment.u32(MembershipLayout.words), 77);
    one.leave();
    const three = Membership.join(realm, parameters, hooks, 3);
    assert.equal(three.index, 0, "the free slot");
    two.leave();
    three.leave();
    three.leave();
    assert.deepEqual(scratch.files().filter((file) => file.startsWith("queue")), []);
  }));

test("a durable one stays, and can be removed when nobody uses it", () =>
  withRealm(async (realm, scratch) => {
    const first = Membership.join(realm, parameters, hooks, 1);
    first.segment.setU32(MembershipLayout.words, 5);
    const second = Membership.join(realm, { ...parameters, durable: true }, hooks, 2);
    second.leave();
    assert.equal(await Membership.remove(realm, "queue", "jobs"), false, "in use");
    first.leave();
    assert.deepEqual(scratch.files().filter((file) => file.startsWith("queue")), [
      "queue/jobs/durable",
    ]);
    const again = Membership.join(realm, parameters, hooks, 3);
    assert.equal(again.segment.u32(MembershipLayout.words), 5);
    again.leave();
    assert.equal(await Membership.remove(realm, "queue", "jobs"), true);
    assert.equal(await Membership.remove(realm, "queue", "jobs"), false, "there is none");
    assert.equal(fs.existsSync(scratch.at("queue")), false);
  }));

test("what doesn't match is refused, and leaves nothing behind", () =>
  withRealm((realm, scratch) => {
    const one = Membership.join(realm, parameters, hooks, 1);
    const before = scratch.files();
    assert.throws(
      () => Membership.join(realm, { ...parameters, capacity: 8192 }, hooks, 2),
      CapacityMismatchError,
    );
    assert.throws(
      () => Membership.join(realm, { ...parameters, kind: Kind.pipe }, hooks, 2),
      KindMismatchError,
    );
    assert.deepEqual(scratch.files(), before);
    one.leave();
  }));

test("member 257 is refused", () =>
  withRealm((realm) => {
    const all = Array.from(
      { length: MAX_MEMBERS },
      () => Membership.join(realm, parameters, hooks, 1),
    );
    assert.throws(() => Membership.join(realm, parameters, hooks, 1), LimitError);
    for (const one of all) one.leave();
  }));

test("a flag is taken once, by the one who rings", () =>
  withRealm((realm) => {
    const one = Membership.join(realm, parameters, hooks, 1);
    const two = Membership.join(realm, parameters, hooks, 2);
    two.members.setWaiting(two.index);
    assert.equal(one.members.ringOne(), true);
    assert.equal(one.members.ringOne(), false);
    assert.equal(two.segment.u32(MembershipLayout.slots + Member.bytes + Member.waiting), 0);
    one.leave();
    two.leave();
  }));

/** Another process that has joined; kill it. */
async function startMember(directory: string): Promise<ChildProcess> {
  const program = new URL("member_program.ts", import.meta.url);
  const [file, ...args] = [...runtimeCommand(program), directory];
  const child = spawn(file!, args, { stdio: ["ignore", "pipe", "inherit"] });
  await within(once(child.stdout!, "data"), "a process that joins");
  return child;
}

test("a member that is killed is recovered once, and its slot is free again", () =>
  withRealm(async (realm, scratch) => {
    const recovered: number[] = [];
    let told = 0;
    const one = Membership.join(
      realm,
      parameters,
      { recover: (_, member) => recovered.push(member), onRecovered: () => told++ },
      1,
    );
    const killed = await startMember(scratch.path);
    assert.equal(one.members.isJoined(1), true);
    killed.kill("SIGKILL");
    await until(() => !one.members.isJoined(1), "the slot is free");
    assert.deepEqual(recovered, [1]);
    assert.equal(told, 1);
    assert.deepEqual(one.members.dead(), []);
    assert.equal(fs.readdirSync(scratch.at("queue/jobs")).length, 2, "its file went");
    assert.equal(fs.readdirSync(scratch.at("nodes")).length, 1, "and its node");
    one.leave();
  }));

test("a segment whose members all died unnoticed goes before anybody joins", () =>
  withRealm(async (realm, scratch) => {
    const killed = await startMember(scratch.path);
    killed.kill("SIGKILL");
    await once(killed, "exit");
    const one = Membership.join(realm, { ...parameters, capacity: 8192 }, hooks, 1);
    assert.equal(one.index, 0);
    one.leave();
  }));
