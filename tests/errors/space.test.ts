// A file system that is full, or can't be written: an error that says what is missing.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import process from "node:process";
import { test } from "node:test";
import { Channel, NoSpaceError, PermissionError, RpcClient, RpcServer, serve } from "../../mod.ts";
import { errorOf } from "../support/api.ts";
import { run, runtimeCommand } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { until } from "../support/watchdog.ts";

/** A memory file system of its own, for the scope. */
class Mount implements Disposable {
  readonly path: string;

  constructor(path: string, options: string) {
    this.path = path;
    execFileSync("mount", ["-t", "tmpfs", "-o", `${options},mode=0700`, "causeway-test", path], {
      stdio: "pipe",
    });
  }

  [Symbol.dispose](): void {
    // Lazily: a test that failed has files open there.
    execFileSync("umount", ["--lazy", this.path], { stdio: "pipe" });
  }
}

const cantMount = mountProblem();

function mountProblem(): string | false {
  if (process.platform !== "linux") return "tmpfs is Linux";
  try {
    using scratch = new Scratch();
    using _mount = new Mount(scratch.path, "size=1m");
    return false;
  } catch (error) {
    return `can't mount a tmpfs: ${(error as Error).message.split("\n")[0]}`;
  }
}

test("memory full: what is too large says how much is missing", { skip: cantMount }, async () => {
  using scratch = new Scratch();
  using mount = new Mount(scratch.path, "size=1m");
  const { path: directory } = mount;
  const capacity = 1 << 20;
  for (let again = 0; again < 3; again++) {
    const error = await errorOf(() => Channel.open("name", { directory, capacity }));
    assert.ok(error instanceof NoSpaceError, String(error));
    assert.match(error.message, /can't hold a segment of 2101248 bytes/);
    assert.match(error.message, /of 1048576 bytes are free/);
    const [needed, free, , missing] = error.message.match(/\d+/g)!.slice(-4).map(Number);
    assert.equal(missing, needed! - free!);
    assert.match(error.message, /--shm-size/);
    assert.deepEqual(fs.readdirSync(directory, { recursive: true }), []);
  }
  await using one = await Channel.open("name", { directory, capacity: 4096 });
  await using two = await Channel.open("name", { directory, onRequest: (bytes) => bytes });
  await Promise.all([one.whenConnected(), two.whenConnected()]);
  assert.equal((await one.request(new Uint8Array(3000)))!.length, 3000);
});

test("memory full: clients until nothing is left", { skip: cantMount }, async () => {
  using scratch = new Scratch();
  using mount = new Mount(scratch.path, "size=1m");
  const { path: directory } = mount;
  {
    await using server = await RpcServer.open("name", { directory, onRequest: (bytes) => bytes });
    const clients: RpcClient[] = [];
    let error: Error | undefined;
    while (error === undefined) {
      try {
        clients.push(await RpcClient.open("name", { directory }));
      } catch (thrown) {
        error = thrown as Error;
      }
    }
    assert.ok(error instanceof NoSpaceError, String(error));
    assert.ok(clients.length >= 4 && clients.length < 8, `${clients.length} clients`);
    assert.equal(server.connections, clients.length, "nobody else suffers");
    for (const client of clients) {
      assert.equal((await client.request(new Uint8Array(100_000)))!.length, 100_000);
    }
    await clients.pop()!.close();
    await until(() => server.connections === clients.length, "the server's end of it");
    await using again = await RpcClient.open("name", { directory });
    assert.equal((await again.request(new Uint8Array(1)))!.length, 1);
    for (const client of clients) await client.close();
  }
  assert.deepEqual(fs.readdirSync(directory, { recursive: true }), []);
});

test("memory full: not even a node, or a server", { skip: cantMount }, async () => {
  using scratch = new Scratch();
  using mount = new Mount(scratch.path, "size=1m");
  const { path: directory } = mount;
  const filler = fs.openSync(`${directory}/filler`, "w");
  try {
    for (const page = new Uint8Array(4096);;) fs.writeSync(filler, page);
  } catch {
    // That was the last one.
  }
  // A node takes two pages, a server a third.
  for (const free of [0, 1, 2]) {
    if (free > 0) fs.ftruncateSync(filler, fs.fstatSync(filler).size - 4096);
    for (
      const open of [
        () => serve("name", {}, { directory }),
        () => Channel.open("name", { directory }),
        () => RpcClient.open("name", { directory }),
      ]
    ) {
      const error = await errorOf(open);
      assert.ok(error instanceof NoSpaceError, `${free} free: ${error}`);
      const left = fs.readdirSync(directory, { recursive: true }) as string[];
      assert.deepEqual(left.filter((name) => name !== "nodes"), ["filler"], `${free} free`);
    }
  }
  fs.closeSync(filler);
});

test("a file system that is read-only", { skip: cantMount }, async () => {
  using scratch = new Scratch();
  using mount = new Mount(scratch.path, "size=1m,ro");
  const { path: directory } = mount;
  for (
    const open of [
      () => Channel.open("name", { directory }),
      () => serve("name", {}, { directory }),
      () => RpcClient.open("name", { directory }),
    ]
  ) {
    const error = await errorOf(open);
    assert.ok(error instanceof PermissionError, String(error));
    assert.match(error.message, /can't be written/);
  }
});

const cantBeNobody = (() => {
  if (process.getuid?.() !== 0) return "only root can become another user";
  try {
    execFileSync("setpriv", ["--reuid=65534", "--clear-groups", "true"], { stdio: "pipe" });
    return false;
  } catch {
    return "setpriv isn't installed";
  }
})();

test("a directory of our own that isn't writable", { skip: cantBeNobody }, async () => {
  // Everybody must be able to get there.
  using scratch = new Scratch(os.tmpdir());
  fs.mkdirSync(scratch.at("home"), { mode: 0o700 });
  fs.mkdirSync(scratch.at("closed"), { mode: 0o500 });
  fs.chownSync(scratch.at("home"), 65534, 65534);
  fs.chownSync(scratch.at("closed"), 65534, 65534);
  fs.chmodSync(scratch.path, 0o755);
  const program = new URL("./open_program.ts", import.meta.url);
  const setpriv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  for (
    const [directory, expected] of [
      [scratch.at("closed"), /^PermissionError PERMISSION .*closed/],
      [scratch.path, /^OwnerError OWNER .*another user/],
      [scratch.at("home"), /^fine/],
    ] as const
  ) {
    const { stdout, stderr } = await run([...setpriv, ...runtimeCommand(program), directory], {
      HOME: scratch.at("home"),
    });
    assert.match(stdout, expected, stderr);
  }
});
