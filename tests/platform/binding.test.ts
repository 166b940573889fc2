import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { FOREVER, SHIM_ABI, Status, SYMBOLS } from "../../src/platform/binding.ts";
import { openLibrary } from "../../src/platform/library.ts";
import { binding } from "../../src/platform/runtime.ts";
import { LibraryError, PermissionError } from "../../src/errors.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

const header = fs.readFileSync(new URL("../../csrc/causeway.h", import.meta.url), "utf8");

test("the binding is that of this runtime, and one", async () => {
  const versions = (globalThis as { process?: { versions: Record<string, string> } }).process!
    .versions;
  const runtime = versions["bun"] ? "bun" : versions["deno"] ? "deno" : "node";
  assert.equal(native.runtime, runtime);
  assert.equal(await binding(), native);
  assert.ok(fs.existsSync(native.library));
});

test("every symbol has the types of the header", () => {
  const types = (parameters: string) =>
    parameters.split(",").filter((each) => each.trim() !== "void").map((each) =>
      /\bint32_t (?!\*)\w+$/.test(each.trim()) && !/uint32_t/.test(each)
        ? "i"
        : /\buint32_t \w+$/.test(each.trim())
        ? "u"
        : "p"
    ).join("");
  const declared = new Map(
    [...header.matchAll(/CW_API int32_t (cw_\w+)\(([^)]*)\)/g)].map((match) => [
      match[1]!,
      types(match[2]!.replace(/\s+/g, " ")),
    ]),
  );
  for (const [name, ours] of Object.entries(SYMBOLS)) {
    assert.equal(ours.replaceAll("a", "p"), declared.get(name), name);
  }
  assert.match(header, new RegExp(`#define CW_ABI ${SHIM_ABI}\\b`));
});

test("addresses and views are of the same memory", () => {
  using scratch = new Scratch();
  const segment = scratch.segment("s");
  const [base, size] = segment.native as unknown as [bigint, bigint];
  const view = new Uint8Array(native.view(base, Number(size)));
  segment.bytes[1000] = 77;
  assert.equal(view[1000], 77);
  // The word isn't zero: a wait for it returns at once.
  segment.setU32(1024, 5);
  assert.equal(native.shim.cw_wait(segment.address, 1024, 4, FOREVER), 0);
  assert.equal(native.shim.cw_wait(segment.address, 1024, 5, 1000), Status.timeout);
  view.buffer.transfer();
  segment.close();
});

test("a turn of the event loop, and timers that are stopped", async () => {
  const order: string[] = [];
  const stopped = native.startTimer(() => void order.push("stopped"), 1);
  native.stopTimer(stopped);
  native.nextTurn(() => void order.push("turn"));
  await Promise.resolve();
  order.push("microtask");
  // The timer alone doesn't keep the event loop alive.
  const alive = setTimeout(() => {}, 20_000);
  await within(
    20_000,
    "a timer",
    new Promise<void>((resolve) => void native.startTimer(resolve, 20)),
  );
  clearTimeout(alive);
  assert.deepEqual(order, ["microtask", "turn"]);
});

test("a library of another interface version is refused", () => {
  const shim = { ...native.shim, cw_abi: () => SHIM_ABI + 1 };
  for (const override of [undefined, "/some/library.so"]) {
    const request = { os: "linux", arch: "x64", override, open: () => shim };
    assert.throws(() => openLibrary(request), {
      name: "LibraryError",
      message: new RegExp(`interface version ${SHIM_ABI + 1}, this package needs ${SHIM_ABI}`),
    });
  }
});

test("a system or processor without a library", () => {
  for (const [os, arch] of [["plan9", "x64"], ["linux", "mips"]] as const) {
    const request = { os, arch, override: undefined, open: () => native.shim };
    assert.throws(() => openLibrary(request), LibraryError);
    const named = { ...request, override: native.library };
    assert.equal(openLibrary(named).path, native.library, "unless one is named");
  }
});

test("where the library is, on every system", () => {
  const paths = new Set<string>();
  for (const os of ["linux", "darwin", "win32", "windows", "freebsd"]) {
    for (const arch of ["x64", "arm64", "x86_64", "aarch64"]) {
      const open = () => native.shim;
      paths.add(openLibrary({ os, arch, override: undefined, open }).path);
    }
  }
  assert.equal(paths.size, 8);
  assert.ok(paths.has(native.library) || native.library.length > 0);
});

test("what the runtime refuses is PermissionError, what the linker refuses LibraryError", () => {
  const failing = (error: unknown) => ({
    os: "linux",
    arch: "x64",
    override: undefined,
    open() {
      throw error;
    },
  });
  const refusals = [
    Object.assign(new Error("no"), { name: "NotCapable" }),
    Object.assign(new Error("no"), { name: "PermissionDenied" }),
    Object.assign(new Error("no"), { code: "ERR_ACCESS_DENIED" }),
  ];
  for (const error of refusals) {
    assert.throws(() => openLibrary(failing(error)), PermissionError);
  }
  for (const error of [new Error("no such file"), "a text", undefined]) {
    assert.throws(() => openLibrary(failing(error)), LibraryError);
  }
});
