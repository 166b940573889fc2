// A process that is stopped while it holds the lock of a folder: opening waits for it without
// blocking the event loop, and can be aborted; closing doesn't wait, and is finished later.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nativePath } from "../../src/memory/directory.ts";
import { openings } from "../support/openings.ts";
import { native, Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

/** The lock of a folder, as another process would hold it. */
function lock(scratch: Scratch, folder: string): () => void {
  const handle = scratch.directory.within(
    folder.split("/"),
    (path) => native.shim.cw_directory_lock(nativePath(path), 0),
  ) as number;
  assert.ok(handle >= 0);
  return () => void native.shim.cw_directory_unlock(handle);
}

/** Counts turns of the event loop. */
function turns(): { count: number } & Disposable {
  const timer = setInterval(() => counter.count++, 1);
  const counter = { count: 0, [Symbol.dispose]: () => clearInterval(timer) };
  return counter;
}

for (const [name, { folder, open }] of Object.entries(openings)) {
  if (folder === undefined) continue;

  test(`${name}: opening waits beside the event loop, and can be aborted`, async () => {
    using scratch = new Scratch();
    const directory = scratch.path;
    const unlock = lock(scratch, folder);
    using loop = turns();
    const controller = new AbortController();
    const aborted = open({ directory, signal: controller.signal });
    const waiting = open({ directory });
    await until(() => loop.count > 10, "turns while opening waits");
    controller.abort(new Error("enough"));
    await assert.rejects(within(aborted, "the end of opening"), /enough/);
    unlock();
    const opened = await within(waiting, "opening");
    await opened.close();
    await until(() => scratch.files().length === 0, () => `${scratch.files()} to go`);
  });

  test(`${name}: closing doesn't wait, and everything is gone later`, async () => {
    using scratch = new Scratch();
    const opened = await open({ directory: scratch.path });
    const unlock = lock(scratch, folder);
    using loop = turns();
    const closed = Promise.resolve(opened.close());
    await until(() => loop.count > 10, "turns while the lock is held");
    await within(closed, "closing");
    unlock();
    await until(() => scratch.files().length === 0, () => `${scratch.files()} to go`);
  });
}
