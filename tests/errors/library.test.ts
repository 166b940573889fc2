// The native library is missing, of another machine, or may not be used. In child processes:
// a realm loads it once.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fs from "node:fs";
import { test } from "node:test";
import { run, runtimeCommand } from "../support/process.ts";
import { native, Scratch } from "../support/scratch.ts";

const program = new URL("./open_program.ts", import.meta.url);

/** The library's bytes, from the file that a cache keeps where this realm has none. */
async function libraryBytes(): Promise<Buffer> {
  if (native.library !== "memory") return fs.readFileSync(native.library);
  using scratch = new Scratch();
  const keeper = new URL("../platform/library_program.ts", import.meta.url);
  const { stdout } = await run(runtimeCommand(keeper), { CAUSEWAY_CACHE: scratch.at("cache") });
  return fs.readFileSync(stdout.trim().split(" ")[0]!);
}

const library = await libraryBytes();
const isElf = library.subarray(0, 4).toString("latin1") === "\x7fELF";

async function openWith(scratch: Scratch, named: string, flags?: string[]): Promise<string> {
  const command = runtimeCommand(program, flags);
  const { code, stdout, stderr } = await run(command, {
    CAUSEWAY_LIBRARY: named,
    CAUSEWAY_DIR: scratch.path,
  });
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

test("CAUSEWAY_LIBRARY names another library", async () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("mine.so"), library);
  assert.equal(await openWith(scratch, scratch.at("mine.so")), "fine");
  fs.rmSync(scratch.at("mine.so"));
});

test("a library that isn't there", async () => {
  using scratch = new Scratch();
  const said = await openWith(scratch, scratch.at("missing.so"));
  assert.match(said, /^LibraryError LIBRARY can't load the native library .*missing\.so/);
  assert.match(said, /named by CAUSEWAY_LIBRARY/);
});

test("a library that is a text", async () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("text.so"), "I am no library\n".repeat(1000));
  assert.match(await openWith(scratch, scratch.at("text.so")), /^LibraryError LIBRARY /);
});

test("a library that is empty, or a directory", async () => {
  using scratch = new Scratch();
  fs.writeFileSync(scratch.at("empty.so"), "");
  for (const named of [scratch.at("empty.so"), scratch.path]) {
    assert.match(await openWith(scratch, named), /^LibraryError LIBRARY /);
  }
});

test(
  "a library of another processor",
  { skip: !isElf && "libraries aren't ELF here" },
  async () => {
    using scratch = new Scratch();
    const bytes = Buffer.from(library);
    const E_MACHINE = 18;
    const RISC_V = 243;
    bytes.writeUInt16LE(RISC_V, E_MACHINE);
    fs.writeFileSync(scratch.at("other.so"), bytes);
    const said = await openWith(scratch, scratch.at("other.so"));
    assert.match(said, /^LibraryError LIBRARY .*other\.so/);
    assert.match(said, /be built for \w+ on \w+/);
  },
);

test("a library that isn't ours", { skip: !isElf && "libraries aren't ELF here" }, async () => {
  using scratch = new Scratch();
  // Every name of ours in it is another one then.
  const bytes = library.toString("latin1").replaceAll("cw_", "xy_");
  fs.writeFileSync(scratch.at("other.so"), bytes, "latin1");
  assert.match(await openWith(scratch, scratch.at("other.so")), /^LibraryError LIBRARY /);
});

const notDeno = native.runtime !== "deno" && "Deno's permissions";

test("Deno without --allow-ffi", { skip: notDeno }, async () => {
  using scratch = new Scratch();
  for (const flags of [[], ["--allow-read", "--allow-env"]]) {
    const said = await openWith(scratch, "", [
      "run",
      "--no-check",
      "--no-prompt",
      "--quiet",
      ...flags,
    ]);
    assert.match(said, /^PermissionError PERMISSION .*--allow-ffi/);
  }
});

test("Deno with --allow-ffi and nothing else", { skip: notDeno }, async () => {
  using scratch = new Scratch();
  const flags = ["run", "--no-check", "--no-prompt", "--quiet", "--allow-ffi"];
  const { code, stdout, stderr } = await run(runtimeCommand(program, flags), {
    CAUSEWAY_DIR: scratch.path,
  });
  assert.equal(`${code} ${stdout.trim()} ${stderr}`, "0 fine ");
});

test("Node without its FFI", {
  skip: native.runtime !== "node" && "Node's flag",
}, async () => {
  using scratch = new Scratch();
  const said = await openWith(scratch, "", ["--no-warnings", "--no-experimental-ffi"]);
  assert.match(said, /^LibraryError LIBRARY node:ffi isn't there/);
});

test("Node's permission model without --allow-ffi", {
  skip: native.runtime !== "node" && "Node's flag",
}, async () => {
  using scratch = new Scratch();
  const said = await openWith(scratch, "", ["--no-warnings", "--permission", "--allow-fs-read=*"]);
  assert.match(said, /^(PermissionError|LibraryError) .*--allow-ffi/);
});
