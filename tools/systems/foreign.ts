// Runtimes of other systems, to be started by an emulator or another loader: brought from npm once,
// into build/foreign/<package>@<version>/.
//
//   node tools/systems/foreign.ts @oven/bun-windows-x64     prints the path of the binary
//
// Versions and hashes are those of package-lock.json, which lists the platform packages of the
// toolchain for all systems; what it has no hash for is pinned here.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { root, windows } from "../toolchain.mjs";
import { unpackPackage } from "../unpack.ts";

interface Pinned {
  version: string;
  /** As npm writes it: `sha512-` and the hash in base64. */
  integrity: string;
}

const PINNED: Readonly<Record<string, Pinned>> = {
  // The lock file names 2.9.6 without a hash, since that could not be had when it was written.
  "@deno/linux-arm64-glibc": {
    version: "2.9.5",
    integrity:
      "sha512-IuYjsz9PGl7CJcNXMuN27KNDB8Q40brK3SG3l+TXMDVW61ZKwcn0fQHBHnXFiiygEwI8by/fKnASEluhZB1atw==",
  },
  "@deno/win32-x64": {
    version: "2.9.5",
    integrity:
      "sha512-LkcERsH0olOgevg9L9eootSr1U8ydyfnX1bS3mFqU+lGBeTYtlec5b/QF473WUOGVgPlWECrkxi4As5kEaFOzg==",
  },
};

/** Where the binary is in a package, by how the package's name begins. */
const BINARIES: readonly [start: string, file: string][] = [
  ["@deno/", "deno"],
  ["@oven/bun-", "bin/bun"],
  ["node-", "bin/node"],
];

export const foreignFolder: string = path.join(root, "build/foreign");

/** The version of a platform package that is used here. Throws if none is pinned. */
export function foreignVersion(name: string): string {
  return pinned(name).version;
}

/**
 * The path of a platform package's binary; brings the package if it isn't there. Throws if npm
 * can't get it, or what it got isn't what was pinned.
 */
export function foreignBinary(name: string): string {
  const start = BINARIES.find(([start]) => name.startsWith(start));
  if (start === undefined) throw new Error(`no platform package of a runtime: ${name}`);
  const exe = name.includes("win") && !name.includes("darwin") ? ".exe" : "";
  const file = path.join(foreignPackage(name), `${start[1]}${exe}`);
  if (!fs.existsSync(file)) throw new Error(`${name} holds no ${start[1]}${exe}`);
  return file;
}

/** The folder of an unpacked package. */
function foreignPackage(name: string): string {
  const { version, integrity } = pinned(name);
  const folder = path.join(foreignFolder, `${name}@${version}`);
  unpackOnce(folder, (into) => {
    const archive = path.join(into, pack(`${name}@${version}`, into));
    verify(archive, integrity);
    unpackPackage(archive, into);
    fs.rmSync(archive);
  });
  return folder;
}

/** Fills a folder that isn't there yet. It is seen complete or not at all. */
export function unpackOnce(folder: string, fill: (into: string) => void): void {
  if (fs.existsSync(folder)) return;
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  const scratch = fs.mkdtempSync(`${folder}.`);
  try {
    fill(scratch);
    fs.chmodSync(scratch, 0o755);
    fs.renameSync(scratch, folder);
  } catch (error) {
    fs.rmSync(scratch, { recursive: true, force: true });
    if (!fs.existsSync(folder)) throw error; // else somebody else was faster
  }
}

/** Throws if a file hasn't the hash that npm would call `integrity`. */
export function verify(file: string, integrity: string): void {
  const [algorithm, expected] = integrity.split(/-(.*)/);
  const found = createHash(algorithm!).update(fs.readFileSync(file)).digest("base64");
  if (found === expected) return;
  throw new Error(`${path.basename(file)} is not what was pinned: ${algorithm}-${found}`);
}

function pack(spec: string, into: string): string {
  const args = ["pack", spec, "--json", "--ignore-scripts", "--loglevel=error"];
  const printed = execFileSync("npm", args, {
    cwd: into,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    shell: windows, // npm is a .cmd file there
    maxBuffer: 1 << 26,
  });
  return path.basename(JSON.parse(printed)[0].filename);
}

function pinned(name: string): Pinned {
  const lock = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8"));
  const found: Pinned | undefined = PINNED[name] ?? lock.packages[`node_modules/${name}`];
  if (found?.integrity) return found;
  throw new Error(`no version and hash of ${name} is pinned in package-lock.json or foreign.ts`);
}

if (import.meta.main) {
  for (const name of process.argv.slice(2)) console.log(foreignBinary(name));
}
