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
    const { readdirSync, readFileSync, readlinkSync } = await import("node:fs");
    const { createHash } = await import("node:crypto");
    const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
    // Where another process could change a file, the library is loaded from memory: its descriptor
    // stays open. A file may have been replaced by another process's, which is the same.
    const links = readdirSync("/proc/self/fd").flatMap((name) => {
      try {
        return [[readlinkSync(`/proc/self/fd/${name}`), `/proc/self/fd/${name}`]];
      } catch {
        return []; // the one that read the folder
      }
    });
    const descriptors = new Map(links as [string, string][]);
    const fileOf = (mapped: string) => descriptors.get(mapped) ?? mapped.replace(" (deleted)", "");
    const mapped = maps.map((line) => line.split(/\s+/).slice(5).join(" "));
    const loaded = new Set(
      mapped.filter((file) => /causeway[^/]*\.so|memfd:causeway-/.test(file)).map(fileOf),
    );
    return [...loaded].map((file) => createHash("sha256").update(readFileSync(file)).digest("hex"));
  }, t.name);
  const { sha256 } = await targetOf(peerSystem.target)!.load();
  assert.deepEqual(hashes, [sha256]);
}, { skip });

peersEnd();
