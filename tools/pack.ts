// npm run pack: makes the npm package in build/package/, and the file to install or upload from it.
// The same sources give the same bytes.

import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { bundleCode } from "./pack/bundle.ts";
import { bundleDeclarations } from "./pack/declarations.ts";
import { manifest } from "./pack/manifest.ts";
import { run } from "./process.ts";
import { root, windows } from "./toolchain.mjs";

const folder = path.join(root, "build/package");

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const content = manifest();
  const files = [
    ...await bundleCode(),
    { name: "mod.d.ts", text: bundleDeclarations().text },
    { name: "package.json", text: `${JSON.stringify(content, null, 2)}\n` },
    ...["README.md", "CHANGELOG.md", "LICENSE"].map(read),
    { name: "LICENSE-msgpackr", text: read("node_modules/msgpackr/LICENSE").text },
  ];
  // Made beside and put there whole: tests may be using what was there.
  const scratch = fs.mkdtempSync(path.join(root, "build/pack-"));
  try {
    for (const { name, text } of files) {
      const file = path.join(scratch, "package", name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text);
    }
    const packed = await pack(scratch);
    const file = path.join(root, "build", path.basename(packed));
    fs.renameSync(packed, file);
    if (fs.existsSync(folder)) fs.renameSync(folder, path.join(scratch, "before"));
    fs.renameSync(path.join(scratch, "package"), folder);
    console.log(`${path.relative(root, file)}: ${(fs.statSync(file).size / 1000).toFixed(1)} KB`);
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

function read(name: string): { name: string; text: string } {
  return { name, text: fs.readFileSync(path.join(root, name), "utf8") };
}

/** Lets npm pack the folder `package` in there, and returns the path of what it made. */
async function pack(folder: string): Promise<string> {
  const npm = windows ? ["cmd", "/c", "npm"] : ["npm"];
  const source = path.join(folder, "package");
  const { code, output } = await run(
    [
      ...npm,
      "pack",
      source,
      `--pack-destination=${folder}`,
      "--ignore-scripts",
      "--loglevel=error",
    ],
  );
  if (code !== 0) throw new Error(`npm pack failed:\n${output}`);
  return path.join(folder, output.trim().split("\n").at(-1)!);
}
