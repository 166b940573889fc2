// Reads packages, archives of plain files, with the system's tar.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/**
 * The files of a gzipped archive by their paths, with `/` on every system. Anything but files in
 * folders is an error, so that nothing is left out silently.
 */
export function readTar(archive: Uint8Array): Map<string, Buffer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-test-tar-"));
  try {
    execFileSync("tar", ["-xzf", "-", "-C", folder], { input: archive });
    const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory());
    return new Map(entries.map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      if (!entry.isFile()) throw new Error(`${file} is no plain file`);
      return [path.relative(folder, file).replaceAll(path.sep, "/"), fs.readFileSync(file)];
    }));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
