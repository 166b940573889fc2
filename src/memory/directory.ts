/**
 * The runtime directory: where processes find each other.
 *
 *     <root>/nodes/<node id>          one per realm that uses the library
 *     <root>/<kind>/<name>/<file>     what a pattern needs; see docs/protocol.md
 *
 * Every file name outside of `nodes` ends with the id of the node it belongs to,
 * so a process that proves a node dead can remove all that it left. What several share is
 * named `shared`, and goes with the last of their files.
 *
 * @module
 */
import type { Binding } from "../platform/binding.ts";
import { Status } from "../platform/binding.ts";
import { ArgumentError, DirectoryError } from "../errors.ts";
import { statusError } from "./status.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A path as the shim wants it. */
export function nativePath(path: string): Uint8Array {
  if (path.includes("\0")) throw new ArgumentError("a path can't hold a NUL character");
  return encoder.encode(`${path}\0`);
}

/** Another process holds the lock. */
export const BUSY: unique symbol = Symbol("busy");

/** How long to wait for the lock of a directory, which is held for microseconds, in ms. */
export const LOCK_TIMEOUT_MS = 10_000;

/** The runtime directory of a realm, with the few operations the library needs. */
export class RuntimeDirectory {
  /** Absolute path. */
  readonly root: string;
  /** The shim that works on it. */
  readonly binding: Binding;
  readonly #isDefault: boolean;

  /** `root` undefined: `CAUSEWAY_DIR`, or the user's own default. */
  constructor(binding: Binding, root: string | undefined) {
    this.binding = binding;
    if (root !== undefined) {
      this.root = checkAbsolute(root, "`directory`");
      this.#isDefault = false;
      return;
    }
    // What the program sees may differ from what the system has: Bun keeps to itself what a
    // program or a .env file sets. `null`: Deno lets us see nothing, but the shim may look.
    const chosen = binding.variable("CAUSEWAY_DIR");
    this.#isDefault = chosen === null ? binding.shim.cw_directory_is_chosen() === 0 : !chosen;
    this.root = chosen ? checkAbsolute(chosen, "CAUSEWAY_DIR") : this.#default(chosen === null);
  }

  #default(mayBeChosen: boolean): string {
    const { shim } = this.binding;
    const out = new Uint8Array(4096);
    const length = shim.cw_directory_default(out, out.length, mayBeChosen ? 0 : 1);
    if (length === Status.argument) {
      throw new ArgumentError("CAUSEWAY_DIR must be an absolute path");
    }
    if (length < 0) throw statusError(shim, length, "find", "the runtime directory");
    return decoder.decode(out.subarray(0, length));
  }

  /** The path of something below the root. */
  path(...parts: string[]): string {
    return [this.root, ...parts].join("/");
  }

  /**
   * Makes `root/parts…` where it doesn't exist, checks every level, and runs
   * `task` with its path; once more when another process removed the empty directory
   * in between (`task` then returned `"gone"`).
   */
  within<T>(parts: string[], task: (path: string) => T | "gone"): T {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const path = this.#prepare(parts);
      if (path === undefined) continue;
      const result = task(path);
      if (result !== "gone") return result;
    }
    throw new DirectoryError(
      `can't use the directory ${this.root}: ${this.path(...parts)} can't be made in it, because ` +
        "its file system takes no folders, or another program removes them; choose another with " +
        "CAUSEWAY_DIR or the `directory` option",
    );
  }

  #prepare(parts: string[]): string | undefined {
    const { shim } = this.binding;
    let path = this.root;
    for (let level = 0;; level++) {
      const status = shim.cw_directory_prepare(nativePath(path));
      if (status === Status.notFound && level > 0) return undefined;
      if (status < 0) throw statusError(shim, status, "use the directory", path);
      if (level === parts.length) return path;
      path += `/${parts[level]}`;
    }
  }

  /**
   * Runs `task` under the lock of `root/parts…`, or returns {@linkcode BUSY} at once if
   * another process holds it. The directory is made before. The system drops the lock of
   * a holder that dies. `Realm.locked` waits for it.
   */
  tryLocked<T>(parts: string[], task: (path: string) => T): T | typeof BUSY {
    const { shim } = this.binding;
    return this.within<T | typeof BUSY>(parts, (path) => {
      const handle = shim.cw_directory_lock(nativePath(path), 0);
      if (handle === Status.notFound) return "gone";
      if (handle === Status.timeout || handle === Status.busy) return BUSY;
      if (handle < 0) throw statusError(shim, handle, "lock the directory", path);
      try {
        return task(path);
      } finally {
        shim.cw_directory_unlock(handle);
      }
    });
  }

  /** Is there something of that name? */
  exists(path: string): boolean {
    return this.binding.shim.cw_directory_list(nativePath(path), new Uint8Array(0), 0) !==
      Status.notFound;
  }

  /** The names in a directory; none if there isn't one, or something else has its name. */
  list(path: string): string[] {
    const { shim } = this.binding;
    const native = nativePath(path);
    let out = new Uint8Array(16384);
    for (;;) {
      const bytes = shim.cw_directory_list(native, out, out.length);
      if (bytes === Status.notFound || bytes === Status.type || bytes === Status.link) return [];
      if (bytes < 0) throw statusError(shim, bytes, "list", path);
      if (bytes <= out.length) {
        return bytes === 0 ? [] : decoder.decode(out.subarray(0, bytes - 1)).split("\0");
      }
      out = new Uint8Array(bytes + 4096);
    }
  }

  /** Removes a file; false if there was none. A directory in its place is none of ours, and stays. */
  removeFile(path: string): boolean {
    const { shim } = this.binding;
    const status = shim.cw_file_remove(nativePath(path));
    if (status === Status.notFound || status === Status.type) return false;
    if (status < 0) throw statusError(shim, status, "remove", path);
    return true;
  }

  /** Renames a file; false if the source or the target's directory is gone. */
  rename(from: string, to: string): boolean {
    const { shim } = this.binding;
    const status = shim.cw_file_rename(nativePath(from), nativePath(to));
    if (status === Status.notFound) return false;
    if (status < 0) throw statusError(shim, status, "rename", from);
    return true;
  }

  /** Gives a file one more name; false if it, or the target's directory, is gone. */
  link(from: string, to: string): boolean {
    const { shim } = this.binding;
    const status = shim.cw_file_link(nativePath(from), nativePath(to));
    if (status === Status.notFound) return false;
    if (status < 0) throw statusError(shim, status, "link", from);
    return true;
  }

  /**
   * Removes `root/parts…` and its parents as far as they are empty. The lowest is
   * removed under its lock: the holder of that relies on the directory. The root goes
   * only if it is the default one: a directory that a user chose stays.
   */
  prune(parts: string[]): void {
    const { shim } = this.binding;
    const lowest = nativePath(this.path(...parts));
    const handle = shim.cw_directory_lock(lowest, 0);
    if (handle < 0 && handle !== Status.notFound) return;
    const removed = handle < 0 || shim.cw_directory_remove(lowest) === 0;
    if (handle >= 0) shim.cw_directory_unlock(handle);
    if (!removed) return;
    for (let depth = parts.length - 1; depth >= (this.#isDefault ? 0 : 1); depth--) {
      if (shim.cw_directory_remove(nativePath(this.path(...parts.slice(0, depth)))) < 0) return;
    }
  }
}

/** A relative one would name another directory in each process. */
function checkAbsolute(path: string, what: string): string {
  if (/^(\/|[A-Za-z]:[\\/]|\\\\)/.test(path)) return path;
  throw new ArgumentError(`${what} must be an absolute path, got ${JSON.stringify(path)}`);
}
