// Processes with musl and with glibc as their C library share memory in the cross suite, and so do
// processes with musl.

import process from "node:process";
import { muslLoader } from "../../tools/musl.ts";
import { testCrossRuns } from "../support/cross_runs.ts";

testCrossRuns({ system: "musl", target: "linux-x64-musl", by: "", skip: whyNot() }, {
  "Bun with glibc and Bun with musl": { bothThere: false, runtime: "bun", peers: ["bun"] },
  "Deno with glibc and Bun with musl": { bothThere: false, runtime: "deno", peers: ["bun"] },
  "Node with glibc and Bun with musl": { bothThere: false, runtime: "node", peers: ["bun"] },
  "Bun with musl and Bun with musl": { bothThere: true, runtime: "bun", peers: ["bun"] },
});

function whyNot(): string | false {
  if (process.platform !== "linux" || process.arch !== "x64") return "not Linux on x64";
  try {
    muslLoader();
    return false;
  } catch (error) {
    return (error as Error).message;
  }
}
