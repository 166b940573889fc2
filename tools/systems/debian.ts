// Packages of Debian for another processor, unpacked into build/foreign/<name>_<architecture>/ and
// installed nowhere. Works for any user where there is apt-get, and leaves the system's own lists
// alone.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { foreignFolder, unpackOnce } from "./foreign.ts";

/**
 * The folder in which a package lies unpacked; brings it if it isn't there. Throws if apt-get can't
 * get it, or isn't there itself.
 */
export function debianPackage(name: string, architecture: string): string {
  const folder = path.join(foreignFolder, `${name}_${architecture}`);
  unpackOnce(folder, (into) => {
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-apt-"));
    try {
      execFileSync("dpkg-deb", ["-x", download(name, architecture, scratch), into]);
    } finally {
      fs.rmSync(scratch, { recursive: true, force: true });
    }
  });
  return folder;
}

/** Returns the path of the package. apt-get compares its hash with the signed lists. */
function download(name: string, architecture: string, scratch: string): string {
  for (const part of ["lists/partial", "archives/partial"]) {
    fs.mkdirSync(path.join(scratch, part), { recursive: true });
  }
  const options = [
    `Dir::State::Lists=${scratch}/lists`,
    `Dir::Cache=${scratch}`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    "APT::Sandbox::User=", // another user could not write into the scratch folder
    "Acquire::Retries=2",
  ].flatMap((option) => ["-o", option]);
  const inScratch = { cwd: scratch, stdio: "pipe", timeout: 300_000 } as const;
  execFileSync("apt-get", [...options, "update", "-qq"], inScratch);
  execFileSync("apt-get", [...options, "download", "-qq", name], inScratch);
  const file = fs.readdirSync(scratch).find((each) => each.endsWith(".deb"));
  if (file === undefined) throw new Error(`apt-get brought no ${name} for ${architecture}`);
  return path.join(scratch, file);
}
