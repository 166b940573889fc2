// Processes with musl and with glibc as their C library share memory in the cross suite, and so do
// processes with musl.

import { testCrossRuns } from "../support/cross_runs.ts";

testCrossRuns({ system: "musl", target: "linux-x64-musl", by: "" }, {
  "Bun with glibc and Bun with musl": { bothThere: false, runtime: "bun", peers: ["bun"] },
  "Deno with glibc and Bun with musl": { bothThere: false, runtime: "deno", peers: ["bun"] },
  "Node with glibc and Bun with musl": { bothThere: false, runtime: "node", peers: ["bun"] },
  "Bun with musl and Bun with musl": { bothThere: true, runtime: "bun", peers: ["bun"] },
});

const there = { system: "arm64-musl", target: "linux-arm64-musl", by: " (QEMU)" };
testCrossRuns(there, {
  "Bun on x64 with glibc and Bun on arm64 with musl": {
    bothThere: false,
    runtime: "bun",
    peers: ["bun"],
    files: ["library", "channel_requests", "memory_messages", "pipe_messages", "sync_locks"],
  },
});
