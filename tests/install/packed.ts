// The npm package, made anew from this tree in a folder of its own.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { makePackage } from "../../tools/pack/package.ts";
import { node, root } from "../../tools/toolchain.mjs";
import { readTar } from "./tar.ts";

/** A package that was made, gone with its folder when it is disposed. */
export class Packed implements Disposable {
  /** The folder that was packed. */
  readonly folder: string;
  /** The packed file. */
  readonly file: string;
  readonly #scratch: string;

  private constructor(scratch: string, file: string) {
    this.#scratch = scratch;
    this.folder = path.join(scratch, "package");
    this.file = file;
  }

  static async make(): Promise<Packed> {
    buildAll();
    const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-packed-"));
    return new Packed(scratch, await makePackage(scratch));
  }

  /** What is in the packed file, by the paths in the package. */
  contents(): Map<string, string> {
    const entries = readTar(fs.readFileSync(this.file));
    return new Map(
      [...entries].map(([name, bytes]) => [name.replace(/^package\//, ""), bytes.toString("utf8")]),
    );
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.#scratch, { recursive: true, force: true });
  }
}

let isBuilt = false;

function buildAll(): void {
  if (isBuilt) return;
  const { status, stdout, stderr } = spawnSync(node, ["tools/run.mjs", "build", "all"], {
    cwd: root,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`npm run build all failed:\n${stdout}\n${stderr}`);
  isBuilt = true;
}
