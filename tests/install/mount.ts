// File systems that refuse something: full ones, ones without executable code, read-only ones.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export class Mount implements Disposable {
  readonly path: string;

  private constructor(at: string) {
    this.path = at;
  }

  /** A file system of its own, in memory, seen at a folder that is made for it. */
  static memory(at: string, options: string): Mount {
    fs.mkdirSync(at, { recursive: true });
    mount("-t", "tmpfs", "-o", `${options},mode=0700`, "causeway-test", at);
    return new Mount(at);
  }

  /** The folder itself and all in it, but read-only. */
  static readOnly(at: string): Mount {
    mount("--bind", at, at);
    const mounted = new Mount(at);
    mount("-o", "remount,ro,bind", at);
    return mounted;
  }

  [Symbol.dispose](): void {
    execFileSync("umount", ["--lazy", this.path], { stdio: "pipe" });
  }
}

function mount(...args: string[]): void {
  execFileSync("mount", args, { stdio: "pipe" });
}

/** Why nothing can be mounted here, or false. */
export const cantMount: string | false = (() => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-mount-"));
  try {
    using _mount = Mount.memory(folder, "size=64k");
    return false;
  } catch (error) {
    return `can't mount: ${(error as Error).message.split("\n")[0]}`;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
})();
