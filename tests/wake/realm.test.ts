import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { LimitError, TimeoutError } from "../../src/errors.ts";
import { BUSY, nativePath } from "../../src/memory/directory.ts";
import { createNode } from "../../src/memory/nodes.ts";
import { Realm } from "../../src/wake/realm.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

const PARTS = ["queue", "jobs"];

/** A realm, and the lock of a folder as a stopped process would hold it. */
class Locked implements Disposable {
  readonly scratch: Scratch;
  readonly realm: Realm;
  #handle: number | undefined;
  readonly #closer: () => void;

  private constructor(scratch: Scratch, realm: Realm, closer: () => void) {
    this.scratch = scratch;
    this.realm = realm;
    this.#closer = closer;
    realm.directory.within(PARTS, (path) => {
      this.#handle = native.shim.cw_directory_lock(nativePath(path), 0);
    });
    assert.ok(this.#handle! >= 0);
  }

  static async open(): Promise<Locked> {
    const scratch = new Scratch();
    const closer = (): void => {};
    return new Locked(scratch, await Realm.acquire(scratch.path, closer), closer);
  }

  unlock(): void {
    if (this.#handle !== undefined) native.shim.cw_directory_unlock(this.#handle);
    this.#handle = undefined;
  }

  [Symbol.dispose](): void {
    this.unlock();
    this.realm.directory.prune(PARTS);
    this.realm.release(this.#closer);
    assert.deepEqual(this.scratch.files(), []);
    this.scratch[Symbol.dispose]();
  }
}

test("waiting for a folder's lock leaves the event loop free", async () => {
  using locked = await Locked.open();
  assert.equal(locked.realm.directory.tryLocked(PARTS, () => 1), BUSY);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const got = locked.realm.locked(PARTS, (path) => path);
  await until(() => turns > 10, "some turns");
  locked.unlock();
  assert.equal(await got, locked.realm.directory.path(...PARTS));
  clearInterval(timer);
});

test("waiting for a folder's lock can be aborted", async () => {
  using locked = await Locked.open();
  const controller = new AbortController();
  const wait = locked.realm.locked(PARTS, () => assert.fail("never"), controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(wait, /enough/);
});

/** The threads of this process that watch doorbells; `undefined` where it can't be seen. */
function watchers(): number | undefined {
  if (!fs.existsSync("/proc/self/task")) return undefined;
  const names = fs.readdirSync("/proc/self/task").map((id) => {
    try {
      return fs.readFileSync(`/proc/self/task/${id}/comm`, "utf8");
    } catch {
      return ""; // it has ended meanwhile
    }
  });
  return names.filter((name) => name.startsWith("causeway-bell")).length;
}

test("a realm that is only left for a task has no watcher, and isn't used again", async () => {
  const before = watchers();
  const scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  let isPossible = false;
  realm.eventually(() => isPossible ? undefined : BUSY);
  realm.release(closer);
  // The thread may be on its way out of the list.
  await until(() => watchers() === before, "the end of the watcher");
  assert.equal(scratch.files().length, 1, "its node");
  const next = await Realm.acquire(scratch.path, closer);
  assert.notEqual(next, realm);
  next.release(closer);
  isPossible = true;
  await until(() => scratch.files().length === 0, "the end of the realm");
  scratch[Symbol.dispose]();
});

test("what can't be done now is done later, and its node is there until then", async () => {
  const scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  const answers = [
    () => BUSY,
    () => {
      throw new LimitError("no descriptors");
    },
    () => undefined,
  ];
  let tries = 0;
  realm.eventually(() => answers[tries++]!());
  assert.equal(tries, 1);
  realm.release(closer);
  assert.equal(scratch.files().length, 1, "its node");
  await until(() => tries === 3, "the third try");
  await until(() => scratch.files().length === 0, "the end of the realm");
  scratch[Symbol.dispose]();
});

test("at the end of a process, what can't be done at once is done before it", async () => {
  const scratch = new Scratch();
  let tries = 0;
  const closer = (): void => {
    realm.eventually(() => ++tries < 20 ? BUSY : undefined);
    realm.release(closer);
  };
  const realm = await Realm.acquire(scratch.path, closer);
  realm.closeAll();
  assert.equal(tries, 20);
  assert.deepEqual(scratch.files(), []);
  scratch[Symbol.dispose]();
});

test("an error that doesn't pass ends the tries", async () => {
  const scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  let tries = 0;
  realm.eventually(() => {
    tries++;
    throw new TimeoutError("something", 1);
  });
  realm.release(closer);
  assert.equal(tries, 1);
  assert.deepEqual(scratch.files(), []);
  scratch[Symbol.dispose]();
});

test("a death is told to all, whatever one of them throws, before it is cleaned up after", async (t) => {
  t.mock.method(console, "error", () => {});
  const scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  const told: string[] = [];
  realm.onDeathHint.add(() => {
    throw new Error("of a hint");
  });
  realm.onDeathHint.add(() => void told.push("hint"));
  const dying = createNode(native, scratch.directory);
  const peer = realm.acquirePeer(dying.id)!;
  peer.onDeath.add(() => {
    throw new Error("of a death");
  });
  peer.onDeath.add(() => {
    told.push(scratch.files().length === 2 ? "death, its files there" : "death, too late");
  });
  dying.segment.close();
  const { NodeLayout } = await import("../../src/memory/layout.ts");
  const { openNode } = await import("../../src/memory/nodes.ts");
  const own = openNode(native, scratch.directory, realm.id)!;
  Atomics.add(own.words, NodeLayout.deaths >> 2, 1);
  realm.reactor.stayAwake();
  await until(() => told.length >= 2, "the news");
  assert.deepEqual(told.slice(0, 2), ["hint", "death, its files there"]);
  await until(() => scratch.files().length === 1, "the cleaning");
  own.close();
  realm.releasePeer(peer);
  realm.release(closer);
  scratch[Symbol.dispose]();
});

test("a dead node is cleaned up after once, however often its death is proved meanwhile", async () => {
  using locked = await Locked.open();
  const { scratch, realm } = locked;
  const dead = createNode(native, scratch.directory);
  dead.segment.close();
  const files = ["shared", `member-0-1-${dead.id}`].map((name) => scratch.at(...PARTS, name));
  for (const file of files) fs.writeFileSync(file, "");
  let looks = 0;
  const list = realm.directory.list.bind(realm.directory);
  realm.directory.list = (path) => {
    if (path === realm.directory.root) looks++;
    return list(path);
  };
  for (let i = 0; i < 100; i++) assert.equal(realm.isDead(dead.id), true);
  assert.equal(looks, 1);
  locked.unlock();
  await until(() => files.every((file) => !fs.existsSync(file)), "the cleaning");
  assert.ok(looks > 1);
  // From now on it can be done anew.
  realm.isDead(dead.id);
});
