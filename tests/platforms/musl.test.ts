// Processes with musl and with glibc as their C library share memory in the cross suite, and so do
// processes with musl. Bun runs the whole suite, Deno and Node a file or two for each pattern, or with
// CAUSEWAY_PLATFORMS=all the whole suite, too.

import process from "node:process";
import { testCrossRuns } from "../support/cross_runs.ts";

const part = process.env["CAUSEWAY_PLATFORMS"] === "all" ? {} : {
  files: [
    "channel_requests",
    "rpc_calls",
    "rpc_payloads",
    "rpc_writables",
    "topic_messages",
    "queue_messages",
    "pipe_restart",
    "sync_locks",
    "memory_messages",
  ],
};

testCrossRuns({ system: "musl", target: "linux-x64-musl", by: "" }, {
  "Bun with glibc and Bun with musl": { bothThere: false, runtime: "bun", peers: ["bun"] },
  "Deno with glibc and Bun with musl": {
    bothThere: false,
    runtime: "deno",
    peers: ["bun"],
    ...part,
  },
  "Node with glibc and Bun with musl": {
    bothThere: false,
    runtime: "node",
    peers: ["bun"],
    ...part,
  },
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
