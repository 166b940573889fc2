// Both registries with this package in them, as it would be published from this tree.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { deno, node, root } from "../../tools/toolchain.mjs";
import { JsrRegistry } from "./jsr_registry.ts";
import { NpmRegistry } from "./npm_registry.ts";
import { printed, runProgram } from "./program.ts";

export const NAME = "@causeway/ipc";

/** The version of this tree. */
export const version: string = JSON.parse(
  fs.readFileSync(path.join(root, "package.json"), "utf8"),
).version;

/** What `npm run pack` makes. */
export const packedFile: string = path.join(root, `build/causeway-ipc-${version}.tgz`);

/** What `deno publish` uploaded. */
const uploadedFile = path.join(root, `build/install/jsr-${version}.tar.gz`);

export interface Registries extends AsyncDisposable {
  readonly npm: NpmRegistry;
  readonly jsr: JsrRegistry;
  /** What makes Deno, Bun and npm use them. */
  readonly variables: { NPM_CONFIG_REGISTRY: string; JSR_URL: string };
}

/** Starts both. */
export async function startRegistries(): Promise<Registries> {
  pack();
  const npm = await NpmRegistry.start();
  npm.publishPinned();
  npm.publish(packedFile);
  const jsr = await JsrRegistry.start();
  const variables = { NPM_CONFIG_REGISTRY: npm.url, JSR_URL: jsr.url };
  await publishToJsr(jsr, variables);
  return {
    npm,
    jsr,
    variables,
    async [Symbol.asyncDispose]() {
      await jsr[Symbol.asyncDispose]();
      await npm[Symbol.asyncDispose]();
    },
  };
}

/** Makes the packed file if it is older than what it is made from, unless told to take it as is. */
function pack(): void {
  if (process.env["CAUSEWAY_PACKED"] && fs.existsSync(packedFile)) return;
  if (isCurrent(packedFile, ["tools", "CHANGELOG.md", "csrc", "build.zig"])) return;
  const { status, stdout, stderr } = spawnSync(node, ["tools/run.mjs", "pack"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`npm run pack failed:\n${stdout}\n${stderr}`);
}

/** By a real `deno publish`, or by what it has uploaded since the tree was changed. */
async function publishToJsr(jsr: JsrRegistry, variables: Record<string, string>): Promise<void> {
  const asIs = process.env["CAUSEWAY_PACKED"] && fs.existsSync(uploadedFile);
  if (asIs || isCurrent(uploadedFile, ["docs"])) {
    jsr.publish(NAME, version, fs.readFileSync(uploadedFile));
    return;
  }
  const flags = ["--token=any", "--allow-dirty", "--no-provenance"];
  const env = { ...process.env as Record<string, string>, ...variables };
  printed(await runProgram([deno, "publish", ...flags], { cwd: root, env }));
  fs.mkdirSync(path.dirname(uploadedFile), { recursive: true });
  fs.writeFileSync(uploadedFile, jsr.uploaded!);
}

function isCurrent(file: string, more: string[]): boolean {
  const made = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ["mod.ts", "src", "package.json", "deno.json", "README.md", "LICENSE", ...more];
  return made > Math.max(...sources.map(newest));
}

/** When the newest of a folder's files was changed. */
function newest(name: string): number {
  const where = path.join(root, name);
  const files = fs.statSync(where).isDirectory()
    ? fs.readdirSync(where, { recursive: true, encoding: "utf8" }).map((file) =>
      path.join(where, file)
    )
    : [where];
  return Math.max(...files.map((file) => fs.statSync(file).mtimeMs));
}
