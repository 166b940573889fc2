// Other versions of TypeScript than the toolchain's, from npm, each in a folder of its own.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { root, windows } from "../../tools/toolchain.mjs";

const cache = path.join(root, "build/compilers");

/** The path of `tsc` in that version, installed if it isn't there. */
export function compiler(version: string): string {
  const folder = path.join(cache, version);
  if (!fs.existsSync(folder)) installInto(folder, version);
  return path.join(folder, "node_modules/typescript/bin/tsc");
}

/** It appears whole: another run may want it, too. */
function installInto(folder: string, version: string): void {
  fs.mkdirSync(cache, { recursive: true });
  const scratch = fs.mkdtempSync(path.join(cache, "."));
  try {
    fs.writeFileSync(path.join(scratch, "package.json"), "{}");
    const flags = "--ignore-scripts --include=optional --no-audit --no-fund --prefer-offline";
    execFileSync("npm", ["install", `typescript@${version}`, ...flags.split(" ")], {
      cwd: scratch,
      shell: windows,
      stdio: "pipe",
    });
    if (!fs.existsSync(folder)) fs.renameSync(scratch, folder);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}
