// Whoever builds the libraries gets the very bytes that are published. One build is that of the
// checkout; the other starts from a copy of the sources elsewhere, and from empty caches, so Zig
// compiles all of it anew, the C libraries' parts included. That takes minutes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { run } from "../../tools/process.ts";
import { hasZig, root, zig } from "../../tools/toolchain.mjs";

const skip = hasZig() ? false : "there is no pinned Zig for this system";

/** The hash of each library below a folder, by its path there. */
function hashesIn(folder: string): Record<string, string> {
  const native = path.join(folder, "build/native");
  const files = fs.readdirSync(native, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  return Object.fromEntries(files.map((file) => [
    path.relative(native, file),
    createHash("sha256").update(fs.readFileSync(file)).digest("hex"),
  ]));
}

test("two builds are the same, byte for byte", { skip }, async () => {
  const elsewhere = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-reproducible-"));
  try {
    const copy = path.join(elsewhere, "a folder with another name");
    for (const name of ["build.zig", "csrc"]) {
      fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
    }
    const builds = [
      [zig, "build", "all"],
      [
        ...[zig, "build", "all", "--build-file", path.join(copy, "build.zig")],
        ...["--cache-dir", path.join(elsewhere, "cache")],
        ...["--global-cache-dir", path.join(elsewhere, "global-cache")],
      ],
    ];
    for (const build of builds) {
      const { code, output } = await run(build, { limit: 800 });
      assert.equal(code, 0, output);
    }
    assert.deepEqual(hashesIn(copy), hashesIn(root));
  } finally {
    fs.rmSync(elsewhere, { recursive: true });
  }
});
