import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { ArgumentError, DirectoryError, OwnerError } from "../../src/errors.ts";
import { nativePath, RuntimeDirectory } from "../../src/memory/directory.ts";
import { native, notRoot, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

const mode = (file: string) => fs.statSync(file).mode & 0o777;

test("CAUSEWAY_DIR is the default", { skip: !process.env["CAUSEWAY_DIR"] && "not set" }, () => {
  assert.equal(new RuntimeDirectory(native, undefined).root, process.env["CAUSEWAY_DIR"]);
});

test("CAUSEWAY_DIR is what the program sees at the moment", () => {
  const rootNow = () => new RuntimeDirectory(native, undefined).root;
  const before = process.env["CAUSEWAY_DIR"];
  try {
    process.env["CAUSEWAY_DIR"] = "/dev/shm/chosen-by-the-program";
    assert.equal(rootNow(), "/dev/shm/chosen-by-the-program");
    process.env["CAUSEWAY_DIR"] = "relative";
    assert.throws(rootNow, { name: "ArgumentError", message: /CAUSEWAY_DIR .*"relative"/ });
    process.env["CAUSEWAY_DIR"] = "";
    const usual = rootNow();
    delete process.env["CAUSEWAY_DIR"];
    assert.equal(rootNow(), usual);
    assert.notEqual(usual, before);
    assert.match(usual, /causeway/);
  } finally {
    if (before === undefined) delete process.env["CAUSEWAY_DIR"];
    else process.env["CAUSEWAY_DIR"] = before;
  }
});

test("a file system that takes no folders", {
  skip: notRoot || (process.platform !== "linux" && "there is no /proc"),
}, () => {
  const directory = new RuntimeDirectory(native, "/proc");
  assert.throws(() => directory.within(["nodes"], (folder) => folder), {
    name: "DirectoryError",
    message: /\/proc: \/proc\/nodes can't be made in it.*CAUSEWAY_DIR/,
  });
});

test("an empty directory and a NUL are refused", () => {
  assert.throws(() => new RuntimeDirectory(native, ""), ArgumentError);
  assert.throws(() => nativePath("/tmp/a\0b"), ArgumentError);
});

test("folders are made with mode 0700, whatever the umask is", () => {
  using scratch = new Scratch();
  const umask = process.umask(0o777);
  try {
    const made = scratch.directory.within(["rpc", "name"], (folder) => folder);
    assert.equal(made, scratch.at("rpc", "name"));
  } finally {
    process.umask(umask);
  }
  assert.equal(mode(scratch.at("rpc")), 0o700);
  assert.equal(mode(scratch.at("rpc", "name")), 0o700);
});

test("within tries again when the folder went away", () => {
  using scratch = new Scratch();
  let calls = 0;
  const result = scratch.directory.within(["channel"], (folder) => {
    if (++calls < 3) {
      fs.rmdirSync(folder);
      return "gone";
    }
    return fs.existsSync(folder);
  });
  assert.deepEqual([result, calls], [true, 3]);
});

test("within gives up when the folder goes away again and again", () => {
  using scratch = new Scratch();
  assert.throws(() => scratch.directory.within(["channel"], () => "gone"), DirectoryError);
});

test("a link instead of a directory is refused, at every level", () => {
  using scratch = new Scratch();
  fs.mkdirSync(scratch.at("real"), 0o700);
  fs.symlinkSync(scratch.at("real"), scratch.at("link"));
  const linked = new RuntimeDirectory(native, scratch.at("link"));
  assert.throws(() => linked.within([], (folder) => folder), isLinkError);
  assert.throws(() => scratch.directory.within(["link", "below"], (folder) => folder), isLinkError);
  assert.throws(() => linked.tryLocked([], (folder) => folder), isLinkError);
});

function isLinkError(error: unknown): boolean {
  return error instanceof DirectoryError && /symbolic link/.test(error.message);
}

test("a link to nowhere is refused too", () => {
  using scratch = new Scratch();
  fs.symlinkSync(scratch.at("nowhere"), scratch.at("link"));
  const linked = new RuntimeDirectory(native, scratch.at("link"));
  assert.throws(() => linked.within([], (folder) => folder), isLinkError);
});

test("a file instead of a directory is refused", () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("rpc"), "");
  assert.throws(() => scratch.directory.within(["rpc"], (folder) => folder), DirectoryError);
});

test("a directory whose parent doesn't exist is an error that says so", () => {
  using scratch = new Scratch();
  const directory = new RuntimeDirectory(native, scratch.at("a", "b"));
  assert.throws(() => directory.within([], (folder) => folder), {
    name: "DirectoryError",
    message: /doesn't exist/,
  });
});

test("a directory that others may write is refused", () => {
  for (const bits of [0o770, 0o702, 0o777, 0o1777]) {
    using scratch = new Scratch();
    fs.mkdirSync(scratch.at("open"));
    fs.chmodSync(scratch.at("open"), bits);
    const directory = new RuntimeDirectory(native, scratch.at("open"));
    assert.throws(() => directory.within([], (folder) => folder), OwnerError);
  }
});

test("a directory that others may read is fine", () => {
  using scratch = new Scratch();
  fs.mkdirSync(scratch.at("readable"));
  fs.chmodSync(scratch.at("readable"), 0o755);
  new RuntimeDirectory(native, scratch.at("readable")).within(["rpc"], (folder) => folder);
  assert.equal(mode(scratch.at("readable")), 0o755);
});

test("another user's directory is refused", { skip: notRoot }, () => {
  using scratch = new Scratch();
  fs.mkdirSync(scratch.at("theirs"), 0o700);
  fs.chownSync(scratch.at("theirs"), 12345, 12345);
  const directory = new RuntimeDirectory(native, scratch.at("theirs"));
  assert.throws(() => directory.within([], (folder) => folder), OwnerError);
});

test("list gives the names, or none", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  assert.deepEqual(directory.list(scratch.at("nowhere")), []);
  assert.deepEqual(directory.list(scratch.path), []);
  const names = Array.from({ length: 1000 }, (_, i) => `é${"x".repeat(60)}${i}`);
  for (const name of names) fs.writeFileSync(scratch.at(name), "");
  assert.deepEqual(directory.list(scratch.path).sort(), names.sort());
});

test("a file where a folder may be has no names in it", () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("README"), "whose is this?");
  assert.deepEqual(scratch.directory.list(scratch.at("README")), []);
});

test("removeFile and rename say whether there was something", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  fs.writeFileSync(scratch.at("a"), "");
  assert.equal(directory.rename(scratch.at("a"), scratch.at("b")), true);
  assert.equal(directory.rename(scratch.at("a"), scratch.at("b")), false);
  assert.equal(directory.rename(scratch.at("b"), scratch.at("no", "b")), false);
  assert.equal(directory.removeFile(scratch.at("b")), true);
  assert.equal(directory.removeFile(scratch.at("b")), false);
});

test("prune removes what is empty, and nothing else", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  const has = (...parts: string[]) => fs.existsSync(scratch.at(...parts));
  directory.within(["rpc", "a"], () => {});
  directory.within(["rpc", "b"], () => {});
  directory.prune(["rpc", "a"]);
  assert.deepEqual([has("rpc", "a"), has("rpc", "b")], [false, true]);
  fs.writeFileSync(scratch.at("rpc", "b", "file"), "");
  directory.prune(["rpc", "b"]);
  assert.ok(has("rpc", "b", "file"));
  fs.rmSync(scratch.at("rpc", "b", "file"));
  directory.prune(["rpc", "b"]);
  assert.equal(has("rpc"), false);
  assert.ok(fs.existsSync(scratch.path), "a directory that somebody chose stays");
  directory.prune(["rpc", "b"]);
});

test("prune leaves a folder whose lock is held", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  directory.tryLocked(["rpc", "a"], (folder) => {
    directory.prune(["rpc", "a"]);
    assert.ok(fs.existsSync(folder));
  });
  directory.prune(["rpc", "a"]);
  assert.equal(fs.existsSync(scratch.at("rpc")), false);
});

test("the lock is given back when the task throws", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  for (let i = 0; i < 3; i++) {
    assert.throws(() =>
      directory.tryLocked(["rpc"], () => {
        throw new RangeError("mine");
      }), RangeError);
  }
  assert.equal(directory.tryLocked(["rpc"], (folder) => folder), scratch.at("rpc"));
});

test("one at a time holds the lock, while the folder comes and goes", async () => {
  using scratch = new Scratch();
  const counter = scratch.at("counter");
  fs.writeFileSync(counter, "0");
  const rounds = 150;
  const workers = Array.from({ length: 3 }, () =>
    new Promise<number>((resolve, reject) => {
      const worker = new Worker(new URL("./lock_worker.ts", import.meta.url), {
        workerData: { root: scratch.path, counter, rounds },
      });
      worker.once("message", resolve);
      worker.once("error", reject);
    }));
  const overlaps = await within(Promise.all(workers), "a worker that takes the lock", 50_000);
  assert.deepEqual(overlaps, [0, 0, 0]);
  assert.equal(Number(fs.readFileSync(counter, "utf8")), 3 * rounds);
  assert.equal(fs.existsSync(path.join(scratch.path, "rpc")), false);
});
