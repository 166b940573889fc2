// A new user's machine: an empty home, and a PATH that holds the pinned runtimes and npm.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { bun, deno, node, root, windows } from "../../tools/toolchain.mjs";
import { type ProgramOptions, runProgram, type Said } from "./program.ts";
import type { Registries } from "./registries.ts";

export class Sandbox implements Disposable {
  /** Everything of it is in here. */
  readonly folder: string;
  readonly home: string;
  /** What programs in it see: PATH, HOME, the registries, a runtime directory. */
  readonly env: Record<string, string>;

  constructor(registries?: Registries) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-install-"));
    this.home = this.folderNamed("home");
    this.env = {
      PATH: programs(this.folderNamed("bin")),
      HOME: this.home,
      CAUSEWAY_DIR: path.join(this.folder, "run"),
      ...registries?.variables,
    };
  }

  /** Makes a folder in it. */
  folderNamed(...names: string[]): string {
    const folder = path.join(this.folder, ...names);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Makes a folder with these files. */
  project(name: string, files: Record<string, string | object>): string {
    for (const [file, content] of Object.entries(files)) {
      const target = path.join(this.folderNamed(name, path.dirname(file)), path.basename(file));
      fs.writeFileSync(target, typeof content === "string" ? content : JSON.stringify(content));
    }
    return this.folderNamed(name);
  }

  /** A copy of a folder of this repository. */
  copy(source: string): string {
    const target = path.join(this.folder, path.basename(source));
    fs.cpSync(path.join(root, source), target, { recursive: true });
    return target;
  }

  /** Runs a program in a folder of it, with more variables, or without (`undefined`). */
  run(
    cwd: string,
    command: readonly string[],
    variables: Record<string, string | undefined> = {},
    options: Partial<ProgramOptions> = {},
  ): Promise<Said> {
    const all = Object.entries({ ...this.env, ...variables });
    const env = Object.fromEntries(all.filter(([, value]) => value !== undefined));
    return runProgram(command, { cwd, env: env as Record<string, string>, ...options });
  }

  /** Runs lines of a shell, as a user would type them; it ends with the first that fails. */
  shell(cwd: string, lines: string, variables: Record<string, string | undefined> = {}) {
    return this.run(cwd, ["/bin/sh", "-ec", lines], variables);
  }

  [Symbol.dispose](): void {
    // Deno's and the tests' read-only folders can't be emptied otherwise.
    makeWritable(this.folder);
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Fills a folder with the pinned runtimes, and with npm of this machine. npm starts `sh`. */
function programs(bin: string): string {
  const npm = path.dirname(npmProgram());
  const found = {
    ...{ deno, bun, node },
    npm: path.join(npm, "npm-cli.js"),
    npx: path.join(npm, "npx-cli.js"),
    sh: "/bin/sh",
  };
  for (const [name, file] of Object.entries(found)) fs.symlinkSync(file, path.join(bin, name));
  return bin;
}

/** Where npm really is: what PATH holds is a link. */
function npmProgram(): string {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter)
    .filter((folder) => !folder.includes("node_modules"));
  const found = folders.map((folder) => path.join(folder, "npm")).find((file) =>
    fs.existsSync(file)
  );
  if (found === undefined) throw new Error("there is no npm on the PATH");
  return fs.realpathSync(found);
}

function makeWritable(folder: string): void {
  if (process.getuid?.() !== 0) fs.chmodSync(folder, 0o700);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(path.join(folder, entry.name));
  }
}

/** Why these tests can't run here, or false: what they use of the system is POSIX's. */
export const notHere: string | false = windows && "the sandbox is made of links and a shell";
