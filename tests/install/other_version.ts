// Another version of the package, made from the packed one: with another number, another native
// library, and another version of the interface between the two.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { root, zig } from "../../tools/toolchain.mjs";
import { unpackPackage } from "../../tools/unpack.ts";
import { packedFile } from "./registries.ts";

export const OTHER_VERSION = "9.9.9";
const OTHER_ABI = 999;

/** Packs it in a folder of that sandbox; the path of the packed file. */
export function packOther(folder: string): string {
  fs.mkdirSync(path.join(folder, "package"));
  unpackPackage(packedFile, path.join(folder, "package"));
  const change = (file: string, from: RegExp, to: string) => {
    const where = path.join(folder, "package", file);
    const text = fs.readFileSync(where, "utf8");
    if (!from.test(text)) throw new Error(`${file} has no ${from}`);
    fs.writeFileSync(where, text.replace(from, to));
  };
  change("package.json", /"version": ".*?"/, `"version": "${OTHER_VERSION}"`);
  change("mod.js", /\bSHIM_ABI = \d+/, `SHIM_ABI = ${OTHER_ABI}`);

  const library = compileOther(folder);
  const sha256 = createHash("sha256").update(library).digest("hex");
  const module = `libraries/linux-${process.arch}.js`;
  change(module, /(sha256 = ")[0-9a-f]{64}/, `$1${sha256}`);
  change(module, /(data = ")[^"]+/, `$1${library.toString("hex")}`);

  const npm = ["pack", "./package", "--json", "--ignore-scripts", "--loglevel=error"];
  const [packed] = JSON.parse(execFileSync("npm", npm, { cwd: folder, encoding: "utf8" }));
  return path.join(folder, path.basename(packed.filename));
}

/** The native library of this tree, but for the version of its interface. */
function compileOther(folder: string): Buffer {
  const sources = path.join(folder, "csrc");
  fs.cpSync(path.join(root, "csrc"), sources, { recursive: true });
  const header = path.join(sources, "causeway.h");
  const text = fs.readFileSync(header, "utf8");
  fs.writeFileSync(header, text.replace(/(#define CW_ABI) \d+/, `$1 ${OTHER_ABI}`));
  const files = fs.globSync("{common,posix,linux}/*.c", { cwd: sources })
    .filter((file) => !/\/(ticks|no_claims)\.c$/.test(file));
  const out = path.join(folder, "other.so");
  const flags = ["cc", "-shared", "-fPIC", "-Os", "-std=c11", "-fvisibility=hidden", "-o", out];
  execFileSync(zig, [...flags, ...files], { cwd: sources, stdio: "pipe" });
  return fs.readFileSync(out);
}
