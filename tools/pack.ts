// npm run pack: makes the npm package in build/package/, and the file to install or upload from it.

import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { makePackage } from "./pack/package.ts";
import { root } from "./toolchain.mjs";

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** Makes it beside and puts it there whole: tests may be using what was there. */
async function main(): Promise<void> {
  const scratch = fs.mkdtempSync(path.join(root, "build/pack-"));
  try {
    const packed = await makePackage(scratch);
    const file = path.join(root, "build", path.basename(packed));
    const folder = path.join(root, "build/package");
    fs.renameSync(packed, file);
    if (fs.existsSync(folder)) fs.renameSync(folder, path.join(scratch, "before"));
    fs.renameSync(path.join(scratch, "package"), folder);
    console.log(`${path.relative(root, file)}: ${(fs.statSync(file).size / 1000).toFixed(1)} KB`);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}
