// Builds the shim for this host: by the pinned Zig, or by CMake and the system's C compiler where
// there is no Zig or CAUSEWAY_BUILD=cmake asks for it.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { embed } from "./embed.mjs";
import { hasZig, root, zig } from "./toolchain.mjs";

/**
 * Builds what is out of date, for this host or for every target, and returns the variables that
 * make programs use the result.
 */
export function build(all = false) {
  const wanted = process.env.CAUSEWAY_BUILD ?? "zig";
  if (wanted !== "zig" && wanted !== "cmake") {
    console.error(`CAUSEWAY_BUILD is "${wanted}"; it may be "zig" or "cmake".`);
    process.exit(2);
  }
  if (wanted === "zig" && hasZig()) {
    run(zig, all ? ["build", "all"] : ["build"]);
    embed();
    return {};
  }
  if (wanted === "zig") console.log("No Zig for this host: building the shim with CMake.");
  return { CAUSEWAY_LIBRARY: buildWithCMake() };
}

function buildWithCMake() {
  const out = path.join(root, "build/cmake");
  run("cmake", ["-S", "csrc", "-B", out, "-DCMAKE_BUILD_TYPE=Release"]);
  run("cmake", ["--build", out, "--config", "Release"]);
  const names = ["libcauseway.so", "libcauseway.dylib", "causeway.dll", "libcauseway.dll"];
  const found = ["", "Release"]
    .flatMap((folder) => names.map((name) => path.join(out, folder, name)))
    .find((file) => fs.existsSync(file));
  if (found) return found;
  console.error(`CMake succeeded, but there is no ${names.join(" or ")} in ${out}.`);
  process.exit(1);
}

/** Runs a build command; what it prints is of interest only when it fails. */
function run(command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root });
  if (status === 0) return;
  console.error(`${stdout ?? ""}${stderr ?? ""}`);
  console.error(
    error?.code === "ENOENT"
      ? `${command} is not installed; it is needed to build the shim on this host.`
      : `Building the shim failed: ${command} ${args.join(" ")}`,
  );
  process.exit(1);
}
