/**
 * What Node and Bun have in common before the library is loaded: Node's own modules. They are taken
 * when they are needed, because Bun makes each of them on its first use.
 *
 * @module
 */
import { unpack } from "./embedded.ts";
import type { Files, Host } from "./host.ts";
import { fileFacts } from "./host.ts";

/** Everything but the way to open a library. */
export function nodeHost(): Omit<Host, "open"> {
  // Importing `node:process` would read all its properties, stdin among them: that takes 5 ms.
  const { process } = globalThis;
  return {
    os: process.platform,
    arch: process.arch,
    fileFlags: "",
    variable: (name) => process.env[name],
    // Unpacking it once more takes less time than loading node:crypto.
    matches: (bytes, library) => globalThis.Buffer.compare(bytes, unpack(library, inflate)) === 0,
    inflate,
    files: nodeFiles(),
  };
}

function inflate(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { inflateRawSync } = globalThis.process.getBuiltinModule("node:zlib");
  return inflateRawSync(bytes) as Uint8Array<ArrayBuffer>;
}

function nodeFiles(): Files {
  const { process } = globalThis;
  const fs = () => process.getBuiltinModule("node:fs");
  return {
    allowed: () => true,
    realPath: (path) => fs().realpathSync(path),
    inspect(path) {
      const stat = fs().lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      const kind = { isDirectory: stat.isDirectory(), isFile: stat.isFile() };
      return fileFacts(kind, stat, process.geteuid?.());
    },
    makeDirectory: (path) => void fs().mkdirSync(path, { mode: 0o700 }),
    read: (path) => fs().existsSync(path) ? fs().readFileSync(path) : undefined,
    write: (path, bytes) => fs().writeFileSync(path, bytes, { flag: "wx", mode: 0o600 }),
    rename: (from, to) => fs().renameSync(from, to),
    remove: (path) => fs().rmSync(path),
  };
}

/** See `Binding.onExit`. */
export function onExit(task: (crashed: boolean) => void): void {
  const { process } = globalThis;
  let crashed = false;
  process.on("uncaughtExceptionMonitor", () => {
    const isCaught = process.listenerCount("uncaughtException") > 0 ||
      process.hasUncaughtExceptionCaptureCallback?.();
    if (!isCaught) crashed = true;
  });
  process.on("exit", () => task(crashed));
}
