// The system runs out of something while the library is in use: memory in the directory's file
// system, or descriptors. Opening more says so, what is open goes on, and closing gives it back.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Puppet, runtimes } from "../support/puppet.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";

const MEGABYTE = 1 << 20;

function mount(directory: string): boolean {
  const options = `size=${MEGABYTE},mode=0700`;
  return spawnSync("mount", ["-t", "tmpfs", "-o", options, "causeway", directory]).status === 0;
}

function whyNoMount(): { skip?: string } {
  if (process.platform !== "linux") return { skip: "needs tmpfs" };
  if (process.getuid!() !== 0) return { skip: "only root may mount" };
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-mount-"));
  const mounted = mount(directory);
  if (mounted) spawnSync("umount", [directory]);
  fs.rmdirSync(directory);
  return mounted ? {} : { skip: "mounting is not allowed here" };
}

for (const [i, runtime] of runtimes.entries()) {
  test(`${runtime} on a file system of 1 MB that is full`, whyNoMount(), async () => {
    const directory = newDirectory();
    assert.ok(mount(directory));
    try {
      const [a, b] = await Promise.all([
        new Puppet(runtime, directory).up(),
        new Puppet(runtimes[(i + 1) % 3]!, directory).up(),
      ]);
      const small = { capacity: 65536 };
      for (const puppet of [a, b]) {
        await puppet.do("open", { kind: "channel", name: "open", options: small });
      }
      await b.do("open", { kind: "server", name: "server" });
      await b.do("request", { on: "open" });

      const opened = await a.do("openMany", {
        ...{ kind: "channel", prefix: "more", most: 100, options: small },
      });
      assert.equal(opened.error?.name, "NoSpaceError");
      assert.match(opened.error.message, /holds?.* 135168 bytes: \d+ of 1048576 bytes are free/);
      const missing = Number(/(\d+) are missing/.exec(opened.error.message)![1]);
      assert.ok(missing > 0 && missing <= 135168, opened.error.message);
      assert.ok(opened.count >= 5 && opened.count <= 7, `${opened.count} were opened`);

      // The rest by bytes: not even a page is left.
      const filler = path.join(directory, "nodes", "filler");
      const file = fs.openSync(filler, "w");
      const page = new Uint8Array(4096).fill(1);
      try {
        for (;;) fs.writeSync(file, page);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
      }
      for (const size of [64, 3 * MEGABYTE]) {
        await a.do("request", { on: "open", size });
        await b.do("request", { on: "open", size, sync: true });
      }
      await assert.rejects(a.do("open", { kind: "server", name: "no" }), { name: "NoSpaceError" });
      await assert.rejects(
        a.do("open", { kind: "client", name: "server" }),
        { name: "NoSpaceError" },
      );
      await a.do("request", { on: "open" });
      fs.closeSync(file);
      fs.rmSync(filler);

      await a.do("closeMany", { prefix: "more", count: opened.count });
      const again = await a.do("openMany", {
        ...{ kind: "channel", prefix: "more", most: 100, options: small },
      });
      assert.equal(again.count, opened.count, "closing gave everything back");
      // A partner is killed and another comes, while there is room for the invitation: the system
      // may free the memory of the dead only after it has freed their leases.
      await a.do("closeMany", { prefix: "more", count: 1 });
      await b.die();
      const c = await new Puppet(runtimes[(i + 2) % 3]!, directory).up();
      await c.do("open", { kind: "channel", name: "open", options: small });
      await c.do("request", { on: "open" });
      await Promise.all([a.finish(), c.finish()]);
      assert.equal(a.errors, "");
      assert.equal(c.errors, "");
      assert.deepEqual(filesIn(directory), []);
    } finally {
      assert.equal(spawnSync("umount", ["--lazy", directory]).status, 0);
    }
    removeDirectory(directory);
  });

  const panics = "Deno itself panics when it has no descriptor left (in its stacker crate)";
  const descriptors = runtime === "deno" ? { skip: panics } : {};
  test(`${runtime} out of descriptors`, descriptors, async () => {
    const directory = newDirectory();
    // Deno and Node raise the soft limit as far as the hard one lets them.
    const limited = ["/bin/sh", "-c", 'ulimit -n 64; exec "$@"', "sh"];
    const [a, b] = await Promise.all([
      new Puppet(runtime, directory, limited).up(),
      new Puppet(runtimes[(i + 1) % 3]!, directory).up(),
    ]);
    await a.do("open", { kind: "server", name: "limited" });
    await b.do("open", { kind: "channel", name: "open" });
    await a.do("open", { kind: "channel", name: "open" });
    await a.do("request", { on: "open" });

    // Each runtime directory has a node of its own, which costs descriptors.
    const folders: string[] = [];
    let failure: { name?: string; message?: string } = {};
    for (let n = 0; n < 40; n++) {
      const folder = newDirectory();
      folders.push(folder);
      const options = { directory: folder };
      const opening = a.do("open", { as: `more${n}`, kind: "channel", name: "x", options });
      failure = await opening.then(() => ({}), (error: Error) => error);
      if (failure.name !== undefined) break;
    }
    assert.equal(failure.name, "LimitError", `${failure.message}`);
    assert.match(failure.message!, /descriptors.*ulimit -n/);
    const count = folders.length - 1;
    for (const size of [64, 3 * MEGABYTE]) {
      await a.do("request", { on: "open", size });
      await b.do("request", { on: "open", size, sync: true });
    }
    const c = await new Puppet(runtimes[(i + 2) % 3]!, directory).up();
    const free = await a.do("useDescriptors");
    await a.do("request", { on: "open" });
    await assert.rejects(a.do("open", { kind: "channel", name: "y" }), { name: "LimitError" });
    // Who can't be let in for want of descriptors waits; nobody who is in has to suffer.
    const options = { connectTimeout: 1000 };
    await assert.rejects(
      c.do("open", { kind: "client", name: "limited", options }),
      { name: "TimeoutError" },
    );
    await a.do("request", { on: "open" });
    await a.do("freeDescriptors");
    console.log(`${runtime}: ${count} more directories could be opened, then ${free} files`);
    await a.do("closeMany", { prefix: "more", count });
    await c.do("open", { as: "again", kind: "client", name: "limited" });
    await c.do("request", { on: "again" });
    await a.do("open", { kind: "channel", name: "y" });
    await b.do("open", { kind: "channel", name: "y" });
    await a.do("request", { on: "y" });
    await Promise.all([a, b, c].map((puppet) => puppet.finish()));
    for (const folder of [...folders, directory]) {
      assert.deepEqual(filesIn(folder), []);
      removeDirectory(folder);
    }
  });
}
