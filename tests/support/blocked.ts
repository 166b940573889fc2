// A peer whose event loop is busy for as long as a test wants.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Peer } from "./peers.ts";
import { until } from "./watchdog.ts";

/** Blocks the thread of a peer while `body` runs. */
export async function whileBlocked(peer: Peer, body: () => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-blocked-"));
  const files = { blocked: path.join(folder, "blocked"), go: path.join(folder, "go") };
  const blocked = peer.run(async (_, { blocked, go }: typeof files) => {
    const fs = await import("node:fs");
    const nap = new Int32Array(new SharedArrayBuffer(4));
    fs.writeFileSync(blocked, "");
    while (!fs.existsSync(go)) Atomics.wait(nap, 0, 0, 5);
  }, files);
  try {
    await until(() => fs.existsSync(files.blocked), "its loop is blocked");
    await body();
    fs.writeFileSync(files.go, "");
    await blocked;
  } finally {
    fs.writeFileSync(files.go, "");
    // One by one: Bun can't remove a folder with what is in it under Wine (EFAULT).
    for (const file of Object.values(files)) fs.rmSync(file, { force: true });
    fs.rmdirSync(folder);
  }
}
