import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { FOREVER, SHIM_ABI, Status, SYMBOLS } from "../../src/platform/binding.ts";
import { binding } from "../../src/platform/runtime.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

const header = fs.readFileSync(new URL("../../csrc/causeway.h", import.meta.url), "utf8");

test("the binding is that of this runtime, and one", async () => {
  const versions = (globalThis as { process?: { versions: Record<string, string> } }).process!
    .versions;
  const runtime = versions["bun"] ? "bun" : versions["deno"] ? "deno" : "node";
  assert.equal(native.runtime, runtime);
  assert.equal(await binding(), native);
  assert.ok(native.library === "memory" || fs.existsSync(native.library));
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
  const turn = new Promise<void>((resolve) => {
    native.nextTurn(() => {
      order.push("turn");
      resolve();
    });
  });
  await Promise.resolve();
  order.push("microtask");
  // The timer alone doesn't keep the event loop alive.
  const alive = setTimeout(() => {}, 20_000);
  await within(
    new Promise<void>((resolve) => void native.startTimer(resolve, 20)),
    "a timer",
    20_000,
  );
  clearTimeout(alive);
  await turn; // on a busy machine it may come after the timer
  assert.deepEqual(order, ["microtask", "turn"]);
});
