// Processes on arm64 and on x64 share memory in the cross suite, and so do processes on arm64. The
// instructions of arm64 are translated by QEMU, system calls go to this machine's kernel.
//
// It is a file or two for each pattern with Bun, and a few files with Deno and Node, since everything
// is slow there. With CAUSEWAY_PLATFORMS=all Bun runs the whole suite, and the others each pattern. See
// docs/testing.md for what this can't show.

import process from "node:process";
import { testCrossRuns } from "../support/cross_runs.ts";

/** Calls, streams, deaths by SIGKILL and parked processes are in these, too. */
const everyPattern = [
  "channel_requests",
  "rpc_writables",
  "topic_messages",
  "queue_messages",
  "pipe_messages",
  "sync_locks",
  "memory_messages",
];

const isAll = process.env["CAUSEWAY_PLATFORMS"] === "all";
const slow = isAll ? everyPattern : ["channel_requests", "queue_messages", "memory_messages"];

testCrossRuns({ system: "arm64", target: "linux-arm64", by: " (QEMU)" }, {
  "Bun on x64 and Bun on arm64": {
    bothThere: false,
    runtime: "bun",
    peers: ["bun"],
    ...(isAll ? {} : { files: [...everyPattern, "rpc_calls", "rpc_streams", "topic_lag"] }),
  },
  "Deno on x64 and Deno on arm64": {
    bothThere: false,
    runtime: "deno",
    peers: ["deno"],
    files: slow,
  },
  "Node on x64 and Node on arm64": {
    bothThere: false,
    runtime: "node",
    peers: ["node"],
    files: slow,
  },
  "Bun on x64, Deno and Node on arm64": {
    bothThere: false,
    runtime: "bun",
    peers: ["deno", "node"],
    files: ["library", "memory_messages"],
  },
  "Bun on arm64 and Bun on arm64": {
    bothThere: true,
    runtime: "bun",
    peers: ["bun"],
    files: everyPattern,
  },
});
