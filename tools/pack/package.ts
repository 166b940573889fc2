// The npm package, as a folder and as the file that npm makes of it. The same sources give the same
// bytes.

import fs from "node:fs";
import path from "node:path";
import { run } from "../process.ts";
import { root, windows } from "../toolchain.mjs";
import { bundleCode, type PackageFile } from "./bundle.ts";
import { bundleDeclarations } from "./declarations.ts";
import { manifest } from "./manifest.ts";
import { texts } from "./texts.ts";

/** Makes the package in `folder/package`, and returns the path of the file beside it. */
export async function makePackage(folder: string): Promise<string> {
  const files = [
    ...await bundleCode(),
    { name: "mod.d.ts", text: await bundleDeclarations() },
    { name: "package.json", text: `${JSON.stringify(manifest(), null, 2)}\n` },
    ...texts(),
    { name: "LICENSE", text: read("LICENSE") },
  ];
  files.forEach(refuseStub);
  for (const { name, text } of files) {
    const file = path.join(folder, "package", name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
  return await pack(folder);
}

function read(name: string): string {
  return fs.readFileSync(path.join(root, name), "utf8");
}

/** A target that wasn't built has a module that says so, which must not be shipped. */
function refuseStub({ name, text }: PackageFile): void {
  if (name.startsWith("libraries/") && !/sha256 = "\w{64}"/.test(text)) {
    throw new Error(`${name} is empty: build every target first, with \`npm run build all\``);
  }
}

/** Lets npm pack the folder `package` in there, and returns the path of what it made. */
async function pack(folder: string): Promise<string> {
  const npm = windows ? ["cmd", "/c", "npm"] : ["npm"];
  const source = path.join(folder, "package");
  const flags = ["--ignore-scripts", "--loglevel=error", `--pack-destination=${folder}`];
  const { code, output } = await run([...npm, "pack", source, ...flags]);
  if (code !== 0) throw new Error(`npm pack failed:\n${output}`);
  return path.join(folder, output.trim().split("\n").at(-1)!);
}
