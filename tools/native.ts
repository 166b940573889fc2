// The shim's own tests, tests/native: built by CMake and run by CTest as they are, and under the
// compiler's sanitizers.

import fs from "node:fs";
import path from "node:path";
import { type Job, parts } from "./parts.ts";
import { type Ended, run } from "./process.ts";
import { root } from "./toolchain.mjs";

const builds = {
  plain: "",
  // One build for both: they don't get in each other's way.
  asan: "address,undefined",
  tsan: "thread",
};

export function nativeJobs(): Job[] {
  if (!fs.existsSync(path.join(root, "tests/native/CMakeLists.txt"))) return [];
  return Object.entries(builds).map(([label, sanitize]) => ({
    name: "tests/native/",
    part: parts["native"]!,
    label,
    start: (report, env) => buildAndTest(label, sanitize, report, env),
  }));
}

async function buildAndTest(
  label: string,
  sanitize: string,
  report: string,
  env: NodeJS.ProcessEnv,
): Promise<Ended> {
  const out = path.join(root, `build/native-tests${sanitize ? `-${label}` : ""}`);
  const commands = [
    ["cmake", "-S", "tests/native", "-B", out, `-DSANITIZE=${sanitize}`],
    ["cmake", "--build", out],
    ["ctest", "--test-dir", out, "--output-on-failure", "--output-junit", report],
  ];
  let last: Ended | undefined;
  for (const command of commands) {
    const ended = await run(command, { env, limit: parts["native"]!.limit });
    ended.seconds += last?.seconds ?? 0;
    last = ended;
    if (ended.code !== 0) break;
  }
  return last!;
}
