// Which native library is taken, how it gets into the cache, and what is said when it can't.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SHIM_ABI } from "../../src/platform/binding.ts";
import { cacheFolders, keepInCache } from "../../src/platform/cache.ts";
import { targetName, targetNames, targetOf, unpack } from "../../src/platform/embedded.ts";
import type { Host, NativeFunction } from "../../src/platform/host.ts";
import { openLibrary } from "../../src/platform/library.ts";
import { nodeHost } from "../../src/platform/node_host.ts";
import { LibraryError, PermissionError } from "../../src/errors.ts";
import { run, runtimeCommand } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";

const library = {
  sha256: createHash("sha256").update("a library").digest("hex"),
  encoding: "deflate",
  data: "S1TIyUwqSiyqBAA=", // "a library", deflated
} as const;

/** This host, but that its variables are these and that no library can be opened, only glibc. */
function hostOf(variables: Record<string, string> = {}, more: Partial<Host> = {}): Host {
  return {
    ...nodeHost(),
    variable: (name) => variables[name],
    open(_path, symbols) {
      if ("gnu_get_libc_version" in symbols) return {};
      throw new Error("cannot open it");
    },
    ...more,
  };
}

const withAbi = (abi: number) => (): Record<string, NativeFunction> => ({ cw_abi: () => abi });

const noModes = process.platform === "win32" && "Windows has no modes";

test("a target for every system and processor, whatever the runtime calls them", () => {
  const names = new Set<string>();
  for (const os of ["linux", "darwin", "win32", "windows", "freebsd"]) {
    for (const arch of ["x64", "arm64", "x86_64", "aarch64"]) {
      names.add(targetName(os, arch, false));
      if (os === "linux") names.add(targetName(os, arch, true));
    }
  }
  assert.deepEqual([...names].sort(), [...targetNames].sort());
});

test("every target has a module, and this host's is built", async () => {
  for (const name of targetNames) {
    const module = await targetOf(name)!.load();
    assert.match(module.sha256, /^([0-9a-f]{64})?$/);
    if (module.sha256 === "") continue;
    const bytes = await unpack(module, nodeHost().inflate);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), module.sha256, name);
  }
  assert.equal(targetOf("toString"), undefined);
});

test("a system or processor without a library", async () => {
  for (const [os, arch] of [["plan9", "x64"], ["android", "arm64"], ["darwin", "mips"]] as const) {
    await assert.rejects(openLibrary(hostOf({}, { os, arch })), {
      name: "LibraryError",
      message: new RegExp(`no native library for ${os}-${arch}, only for linux-x64, .*CMake`),
    });
  }
});

test("a named library needs no target, and must have our interface", async () => {
  using scratch = new Scratch();
  const file = scratch.at("library.so");
  fs.writeFileSync(file, "a library");
  const named = { CAUSEWAY_LIBRARY: file };
  const fine = await openLibrary(hostOf(named, { os: "plan9", open: withAbi(SHIM_ABI) }));
  assert.equal(fine.path, fs.realpathSync(file));
  await assert.rejects(openLibrary(hostOf(named, { open: withAbi(SHIM_ABI + 1) })), {
    name: "LibraryError",
    message: new RegExp(`interface version ${SHIM_ABI + 1}, this package needs ${SHIM_ABI}`),
  });
});

test("what the runtime refuses is PermissionError, what the linker refuses LibraryError", async () => {
  using scratch = new Scratch();
  const failing = (error: unknown) => ({
    open() {
      throw error;
    },
  });
  const refusals = [
    Object.assign(new Error("no"), { name: "NotCapable" }),
    Object.assign(new Error("no"), { name: "PermissionDenied" }),
    Object.assign(new Error("no"), { code: "ERR_ACCESS_DENIED" }),
  ];
  fs.writeFileSync(scratch.at("a.so"), "");
  const places = [{ CAUSEWAY_LIBRARY: scratch.at("a.so") }, { CAUSEWAY_CACHE: scratch.at("c") }];
  for (const variables of places) {
    for (const error of refusals) {
      await assert.rejects(openLibrary(hostOf(variables, failing(error))), PermissionError);
    }
    for (const error of [new Error("no such file"), "a text", undefined]) {
      await assert.rejects(openLibrary(hostOf(variables, failing(error))), LibraryError);
    }
  }
});

test("the user's cache, per system", () => {
  const folders = (os: string, variables: Record<string, string>) =>
    cacheFolders(hostOf(variables, { os }));
  assert.deepEqual(folders("linux", { HOME: "/home/me" }), ["/home/me/.cache/causeway"]);
  assert.deepEqual(folders("linux", { HOME: "/home/me", XDG_CACHE_HOME: "/x", TMPDIR: "/t" }), [
    "/x/causeway",
    "/t/causeway-cache",
  ]);
  assert.deepEqual(folders("darwin", { HOME: "/Users/me" }), ["/Users/me/Library/Caches/causeway"]);
  assert.deepEqual(folders("win32", { LOCALAPPDATA: "C:\\Lokal", TEMP: "C:\\T", HOME: "x" }), [
    "C:\\Lokal\\causeway",
    "C:\\T\\causeway-cache",
  ]);
  assert.deepEqual(folders("win32", { CAUSEWAY_CACHE: "D:\\here", TEMP: "C:\\T" }), ["D:\\here"]);
  assert.deepEqual(folders("linux", {}), []);
});

test("kept once, found again, under its hash, for its owner alone", async () => {
  using scratch = new Scratch();
  const folder = scratch.at("deeper/causeway");
  const keep = () => keepInCache(hostOf(), folder, "libcauseway.dylib", library);
  const kept = await keep();
  assert.equal(kept, `${folder}/libcauseway-${library.sha256.slice(0, 32)}.dylib`);
  assert.equal(fs.readFileSync(kept, "utf8"), "a library");
  const before = fs.statSync(kept);
  if (process.platform !== "win32") {
    assert.equal(before.mode & 0o777, 0o600);
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
  }
  assert.equal(await keep(), kept);
  assert.equal(fs.statSync(kept).ino, before.ino);
  assert.deepEqual(fs.readdirSync(folder), [path.basename(kept)]);
});

test("a backslash is a letter of a folder's name", {
  skip: process.platform === "win32" && "there it isn't",
}, async () => {
  using scratch = new Scratch();
  const folder = scratch.at("back\\slash");
  const kept = await keepInCache(hostOf(), folder, "libcauseway.dylib", library);
  assert.equal(path.dirname(kept), folder);
  assert.deepEqual(fs.readdirSync(scratch.path), [path.basename(folder)]);
});

test("a damaged library in the cache is replaced", async () => {
  using scratch = new Scratch();
  const keep = () => keepInCache(hostOf(), scratch.at("c"), "libcauseway.so", library);
  const kept = await keep();
  for (const damaged of ["", "a librarz", "a library and more"]) {
    fs.writeFileSync(kept, damaged);
    assert.equal(await keep(), kept);
    assert.equal(fs.readFileSync(kept, "utf8"), "a library");
  }
  assert.deepEqual(fs.readdirSync(scratch.at("c")), [path.basename(kept)]);
});

test(
  "what is no file in the library's place is replaced, or an error",
  { skip: noModes },
  async () => {
    using scratch = new Scratch();
    const keep = () => keepInCache(hostOf(), scratch.at("c"), "libcauseway.so", library);
    const kept = await keep();
    fs.rmSync(kept);
    execFileSync("mkfifo", [kept]);
    await keep();
    assert.equal(fs.readFileSync(kept, "utf8"), "a library");
    fs.rmSync(kept);
    fs.mkdirSync(kept);
    await assert.rejects(keep(), /EISDIR|ENOTEMPTY|EEXIST/);
    assert.deepEqual(fs.readdirSync(scratch.at("c")), [path.basename(kept)]);
  },
);

test("a home that isn't there isn't made", async () => {
  using scratch = new Scratch();
  const keep = (folder: string) => keepInCache(hostOf(), folder, "libcauseway.so", library);
  await assert.rejects(keep(scratch.at("home/.cache/causeway")), /ENOENT/);
  assert.deepEqual(fs.readdirSync(scratch.path), []);
  fs.mkdirSync(scratch.at("home"));
  await keep(scratch.at("home/.cache/causeway"));
});

test("many at once put the same file there", async () => {
  using scratch = new Scratch();
  const all = await Promise.all(
    Array.from(
      { length: 20 },
      () => keepInCache(hostOf(), scratch.at("c"), "libcauseway.so", library),
    ),
  );
  assert.equal(new Set(all).size, 1);
  assert.equal(fs.readdirSync(scratch.at("c")).length, 1);
});

test("a file that can't be replaced because it is in use is fine if it is the right one", async () => {
  using scratch = new Scratch();
  const rename = (_from: string, to: string) => {
    fs.writeFileSync(to, "a library");
    throw new Error("EPERM: in use");
  };
  const host = hostOf({}, { files: { ...nodeHost().files, rename } });
  const kept = await keepInCache(host, scratch.at("c"), "libcauseway.so", library);
  assert.deepEqual(fs.readdirSync(scratch.at("c")), [path.basename(kept)]);
});

test("a write that fails leaves nothing and is told", async () => {
  using scratch = new Scratch();
  const write = (file: string) => {
    fs.writeFileSync(file, "a lib");
    throw new Error("ENOSPC: no space left on device");
  };
  const host = hostOf({}, { files: { ...nodeHost().files, write } });
  await assert.rejects(keepInCache(host, scratch.at("c"), "libcauseway.so", library), /ENOSPC/);
  assert.deepEqual(fs.readdirSync(scratch.at("c")), []);
});

test("a cache that isn't ours alone is not used", { skip: noModes }, async () => {
  using scratch = new Scratch();
  const refused = async (folder: string, reason: RegExp) => {
    await assert.rejects(keepInCache(hostOf(), folder, "libcauseway.so", library), reason);
    // What was named is reported with what to do; where the library has no other place, too.
    await assert.rejects(openLibrary(hostOf({ CAUSEWAY_CACHE: folder })), (error: Error) => {
      assert.ok(error instanceof LibraryError);
      assert.match(error.message, reason);
      assert.ok(error.message.includes(folder));
      assert.match(error.message, /CAUSEWAY_CACHE/);
      return true;
    });
  };
  fs.writeFileSync(scratch.at("file"), "");
  await refused(scratch.at("file"), /it is a link or no directory/);
  await refused(scratch.at("file/below"), /ENOTDIR/);
  fs.mkdirSync(scratch.at("real"));
  fs.symlinkSync(scratch.at("real"), scratch.at("link"));
  await refused(scratch.at("link"), /it is a link or no directory/);
  fs.mkdirSync(scratch.at("open"));
  fs.chmodSync(scratch.at("open"), 0o770);
  await refused(scratch.at("open"), /other users can write there/);
});

test("no variable names a place", async () => {
  await assert.rejects(openLibrary(hostOf()), {
    name: "LibraryError",
    message: /can't load the native library for \S+: .*the user's cache: .*aren't set[.;].* Name/,
  });
  await assert.rejects(openLibrary(hostOf({}, { fileFlags: "--allow-env" })), {
    message: /or they may not be read \(--allow-env\)/,
  });
});

test("flags that are missing are named", async () => {
  const files = { ...nodeHost().files, allowed: () => false };
  const host = hostOf({ HOME: "/nowhere", LOCALAPPDATA: "Z:\\" }, {
    files,
    fileFlags: "--allow-read --allow-write",
  });
  await assert.rejects(openLibrary(host), { message: /that needs --allow-read --allow-write/ });
});

const notLinux = process.platform !== "linux" && "Linux has files in memory";
const program = new URL("./library_program.ts", import.meta.url);
const nowhere = {
  CAUSEWAY_LIBRARY: undefined,
  CAUSEWAY_CACHE: undefined,
  XDG_CACHE_HOME: undefined,
  TMPDIR: undefined,
};

test("on Linux from memory, and nothing is written", { skip: notLinux }, async () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("file"), "");
  fs.mkdirSync(scratch.at("home"));
  // Deno wants a place of its own.
  const env = { ...nowhere, HOME: scratch.at("home"), DENO_DIR: scratch.at("deno") };
  const places = [{}, { HOME: undefined }, { XDG_CACHE_HOME: scratch.at("file") }];
  for (const place of places) {
    const said = await run(runtimeCommand(program), { ...env, ...place });
    assert.equal(said.stdout.trim(), `memory ${SHIM_ABI}`, said.stderr);
  }
  const written = fs.readdirSync(scratch.at("home"), { recursive: true }).map(String);
  assert.deepEqual(written.filter((name) => name.includes("causeway")), []);
});

test("the threads of a process share what is in memory", { skip: notLinux }, async () => {
  const threads = new URL("./library_threads.ts", import.meta.url);
  const said = await run(runtimeCommand(threads), nowhere);
  // One file, mapped as often as it was by the first thread.
  assert.match(said.stdout, /^files 1, mapped once$/m, `${said.stdout}${said.stderr}`);
});

test("a cache that was named is used, or it is an error", { skip: notLinux }, async () => {
  using scratch = new Scratch();
  const openWith = async (CAUSEWAY_CACHE: string) =>
    (await run(runtimeCommand(program), { ...nowhere, CAUSEWAY_CACHE })).stdout.trim();
  assert.ok((await openWith(scratch.at("mine"))).startsWith(scratch.at("mine/libcauseway-")));
  fs.writeFileSync(scratch.at("file"), "");
  assert.match(
    await openWith(scratch.at("file")),
    /^LibraryError LIBRARY can't load .*it is a link or no directory.* in CAUSEWAY_CACHE/,
  );
});
