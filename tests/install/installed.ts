// Projects into which the package was installed, one for each way that differs in how it is loaded.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { bun, deno, node } from "../../tools/toolchain.mjs";
import { printed, type Said } from "./program.ts";
import { version } from "./registries.ts";
import type { Sandbox } from "./sandbox.ts";

/** Serves, calls, and says how that went and where the native library came from. */
const PROBE = `
import { connect, serve } from "@causeway/ipc";

/** The library as the system sees it, if we may look: Deno allows it to those who may do all. */
async function library() {
  const { readFileSync } = await import("node:fs");
  try {
    const lines = readFileSync("/proc/self/maps", "utf8").split("\\n");
    const line = lines.find((line) => /libcauseway|memfd:causeway/.test(line));
    // One that another process has replaced meanwhile is the same library.
    return line?.slice(line.indexOf("/")).replace(/^\\/memfd.*/, "memory").replace(" (deleted)", "");
  } catch {
    return undefined;
  }
}

try {
  const name = \`probe-\${Math.random()}\`;
  await using server = await serve(name, { add: (a, b) => a + b });
  await using client = await connect(name);
  const sum = await client.remote.add(1, 2);
  console.log(JSON.stringify({ sum, library: await library() }));
} catch (error) {
  console.log(JSON.stringify({ error: error.name, code: error.code, message: error.message }));
}
`;

/** What the probe says. */
export interface Probed {
  sum?: number;
  /** The path of the native library, or `memory`; undefined where the probe may not look. */
  library?: string;
  error?: string;
  code?: string;
  message?: string;
}

export type Way = "Deno from JSR" | "Deno from npm" | "Bun" | "Node";
export const ways: readonly Way[] = ["Deno from JSR", "Deno from npm", "Bun", "Node"];

/** A project with the package in it. */
export class Installed {
  readonly way: Way;
  readonly folder: string;
  readonly sandbox: Sandbox;

  private constructor(sandbox: Sandbox, way: Way, folder: string) {
    this.sandbox = sandbox;
    this.way = way;
    this.folder = folder;
  }

  /** Installs it as the README says. */
  static async make(sandbox: Sandbox, way: Way): Promise<Installed> {
    const name = way.toLowerCase().replaceAll(" ", "-");
    const folder = sandbox.project(name, { "probe.mjs": PROBE });
    const command = {
      "Deno from JSR": `deno add jsr:@causeway/ipc@${version}`,
      "Deno from npm": `deno add npm:@causeway/ipc@${version}`,
      "Bun": `bun add @causeway/ipc@${version}`,
      "Node": `npm install @causeway/ipc@${version}`,
    }[way];
    printed(await sandbox.shell(folder, command));
    return new Installed(sandbox, way, folder);
  }

  get isDeno(): boolean {
    return this.way.startsWith("Deno");
  }

  /** The command that runs a program of it. Deno gets all permissions unless told otherwise. */
  command(program = "probe.mjs", denoFlags: readonly string[] = ["-A"]): string[] {
    const file = path.join(this.folder, program);
    if (this.isDeno) return [deno, "run", "--no-prompt", "--cached-only", ...denoFlags, file];
    return this.way === "Bun" ? [bun, file] : [node, "--no-warnings", file];
  }

  /** Runs the probe, with more variables, or without (`undefined`). */
  async probe(
    variables: Record<string, string | undefined> = {},
    options: { flags?: string[]; command?: string[] } = {},
  ): Promise<Probed> {
    const command = options.command ?? this.command("probe.mjs", options.flags);
    // Where Deno has its modules must not depend on the caches that are tried.
    const modules = this.isDeno ? { DENO_DIR: path.join(this.sandbox.home, ".cache/deno") } : {};
    return readProbe(await this.sandbox.run(this.folder, command, { ...modules, ...variables }));
  }
}

/** The probe's line. */
export function readProbe(said: Said): Probed {
  const line = printed(said).trim();
  assert.match(line, /^\{.*\}$/, said.stderr);
  return JSON.parse(line);
}

/** Installs it in all ways. */
export async function installAll(
  sandbox: Sandbox,
  chosen: readonly Way[] = ways,
): Promise<Installed[]> {
  const made: Installed[] = [];
  for (const way of chosen) made.push(await Installed.make(sandbox, way));
  return made;
}

/** The files in a folder, at any depth. */
export function filesIn(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name)).sort();
}

/** Why what only Linux has can't be tried here, or false. */
export const notLinux: string | false = process.platform !== "linux" && "only Linux has it";
