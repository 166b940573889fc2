import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { test } from "node:test";
import { CapacityMismatchError, KindMismatchError, LimitError } from "../../src/errors.ts";
import { Kind, MAX_MEMBERS, Member, MembershipLayout } from "../../src/memory/layout.ts";
import { Membership } from "../../src/membership/membership.ts";
import type { MembershipParameters } from "../../src/membership/membership.ts";
import { joinMember, withRealm } from "../support/realm.ts";
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

test("members share a segment that goes with the last of them", () =>
  withRealm(async (_realm, scratch) => {
    const one = await joinMember(scratch.path, parameters);
    const two = await joinMember(scratch.path, parameters);
    assert.deepEqual([one.index, two.index], [0, 1]);
    one.segment.setU32(MembershipLayout.words, 77);
    assert.equal(two.segment.u32(MembershipLayout.words), 77);
    one.leave();
    const three = await joinMember(scratch.path, parameters);
    assert.equal(three.index, 0, "the free slot");
    two.leave();
    three.leave();
    three.leave();
    assert.deepEqual(scratch.files().filter((file) => file.startsWith("queue")), []);
  }));

test("a durable one stays, and can be removed when nobody uses it", () =>
  withRealm(async (realm, scratch) => {
    const first = await joinMember(scratch.path, parameters);
    first.segment.setU32(MembershipLayout.words, 5);
    const second = await joinMember(scratch.path, { ...parameters, durable: true });
    second.leave();
    assert.equal(await Membership.remove(realm, "queue", "jobs"), false, "in use");
    first.leave();
    assert.deepEqual(scratch.files().filter((file) => file.startsWith("queue")), [
      "queue/jobs/durable",
    ]);
    const again = await joinMember(scratch.path, parameters);
    assert.equal(again.segment.u32(MembershipLayout.words), 5);
    again.leave();
    assert.equal(await Membership.remove(realm, "queue", "jobs"), true);
    assert.equal(await Membership.remove(realm, "queue", "jobs"), false, "there is none");
    assert.equal(fs.existsSync(scratch.at("queue")), false);
  }));

test("what doesn't match is refused, and leaves nothing behind", () =>
  withRealm(async (_realm, scratch) => {
    const one = await joinMember(scratch.path, parameters);
    const before = scratch.files();
    await assert.rejects(
      joinMember(scratch.path, { ...parameters, capacity: 8192 }),
      CapacityMismatchError,
    );
    await assert.rejects(
      joinMember(scratch.path, { ...parameters, kind: Kind.pipe }),
      KindMismatchError,
    );
    assert.deepEqual(scratch.files(), before);
    one.leave();
  }));

test("member 257 is refused", () =>
  withRealm(async (_realm, scratch) => {
    const all: Membership[] = [];
    while (all.length < MAX_MEMBERS) all.push(await joinMember(scratch.path, parameters));
    await assert.rejects(joinMember(scratch.path, parameters), LimitError);
    for (const one of all) one.leave();
  }));

test("a flag is taken once, by the one who rings", () =>
  withRealm(async (_realm, scratch) => {
    const one = await joinMember(scratch.path, parameters);
    const two = await joinMember(scratch.path, parameters);
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
  withRealm(async (_realm, scratch) => {
    const recovered: number[] = [];
    let told = 0;
    const one = await joinMember(scratch.path, parameters, {
      recover: (_, member) => recovered.push(member),
      onRecovered: () => told++,
    });
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
  withRealm(async (_realm, scratch) => {
    const killed = await startMember(scratch.path);
    killed.kill("SIGKILL");
    await once(killed, "exit");
    const one = await joinMember(scratch.path, { ...parameters, capacity: 8192 });
    assert.equal(one.index, 0);
    one.leave();
  }));
