// Processes with musl and with glibc as their C library share memory in the cross suite, and so do
// processes with musl.

import process from "node:process";
import { muslLoader } from "../../tools/musl.ts";
import { onPath } from "../../tools/process.ts";
import { testCrossRuns } from "../support/cross_runs.ts";

testCrossRuns({ system: "musl", target: "linux-x64-musl", by: "", skip: whyNot("x64") }, {
  "Bun with glibc and Bun with musl": { bothThere: false, runtime: "bun", peers: ["bun"] },
  "Deno with glibc and Bun with musl": { bothThere: false, runtime: "deno", peers: ["bun"] },
  "Node with glibc and Bun with musl": { bothThere: false, runtime: "node", peers: ["bun"] },
  "Bun with musl and Bun with musl": { bothThere: true, runtime: "bun", peers: ["bun"] },
});

const there = { system: "arm64-musl", target: "linux-arm64-musl", by: " (QEMU)" };
testCrossRuns({ ...there, skip: whyNot("arm64") }, {
  "Bun on x64 with glibc and Bun on arm64 with musl": {
    bothThere: false,
    runtime: "bun",
    peers: ["bun"],
    files: ["library", "channel_requests", "memory_messages", "pipe_messages", "sync_locks"],
  },
});

function whyNot(processor: "x64" | "arm64"): string | false {
  if (process.platform !== "linux" || process.arch !== "x64") return "not Linux on x64";
  if (processor === "arm64" && !onPath("qemu-aarch64")) {
    return "no qemu-aarch64 (package qemu-user)";
  }
  try {
    muslLoader(processor);
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}
