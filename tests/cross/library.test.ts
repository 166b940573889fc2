// Each process has loaded the library that was built for its processor and its C library.

import assert from "node:assert/strict";
import process from "node:process";
import { targetOf } from "../../src/platform/embedded.ts";
import { peerSystem } from "../../tools/systems/systems.ts";
import { crossTest, peersEnd } from "../support/cross.ts";

const skip = () =>
  process.platform !== "linux"
    ? "only Linux tells what a process has loaded"
    : process.env["CAUSEWAY_LIBRARY"]
    ? "CAUSEWAY_LIBRARY names another"
    : false;

crossTest("a process has loaded the library of its system, and no other", async (t) => {
  const hashes = await t.peer.run(async ({ ipc, use }, name: string) => {
    use(await ipc.Channel.open(name));
    const { readFileSync } = await import("node:fs");
    const { createHash } = await import("node:crypto");
    const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
    // When several processes are the first ones, the last one's file replaces the others', which
    // are the same.
    const files = maps.map((line) =>
      line.split(/\s+/).slice(5).join(" ").replace(" (deleted)", "")
    );
    const loaded = new Set(files.filter((file) => /causeway[^/]*\.so$/.test(file)));
    return [...loaded].map((file) => createHash("sha256").update(readFileSync(file)).digest("hex"));
  }, t.name);
  const { sha256 } = await targetOf(peerSystem.target)!.load();
  assert.deepEqual(hashes, [sha256]);
}, { skip });

peersEnd();
