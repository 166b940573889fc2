/**
 * Paths that no other user can lead elsewhere between a look at them and their use.
 *
 * @module
 */
import type { FileFacts, Host } from "./host.ts";

/** Does this host have drives, and backslashes in its paths? */
export function isWindows({ os }: Host): boolean {
  return /^win/.test(os);
}

/** Elsewhere a backslash is a letter like others. */
export function separatorOf(host: Host): string {
  return isWindows(host) ? "\\" : "/";
}

/**
 * The real path of a folder, after a check that each folder on the way is ours or root's and that
 * others can't rename what is ours in it. Windows has no owners and modes in this sense; there the
 * path is returned as it is.
 *
 * @throws {Error} With the folder that another user controls.
 */
export function guardedFolder(host: Host, folder: string): string {
  if (isWindows(host)) return folder;
  const real = host.files.realPath(folder);
  const names = real.split("/").filter((name) => name !== "");
  for (let depth = 0; depth <= names.length; depth++) {
    const path = `/${names.slice(0, depth).join("/")}`;
    const facts = host.files.inspect(path);
    const reason = facts === undefined ? "it is gone" : whyUnsafe(facts, facts.isSticky);
    if (reason !== undefined) throw new Error(`${path}: ${reason}`);
  }
  return real;
}

/**
 * The same for a file, which must be ours or root's and closed to other writers.
 *
 * @throws {Error} With what another user controls.
 */
export function guardedFile(host: Host, path: string): string {
  if (isWindows(host)) return path;
  const real = host.files.realPath(path);
  guardedFolder(host, real.slice(0, real.lastIndexOf("/")) || "/");
  const facts = host.files.inspect(real);
  const reason = facts?.isFile ? whyUnsafe(facts, false) : "it is no file";
  if (reason !== undefined) throw new Error(reason);
  return real;
}

function whyUnsafe({ owner, isShared }: FileFacts, mayBeShared: boolean): string | undefined {
  if (owner === "other") return "it belongs to another user";
  return isShared && !mayBeShared ? "other users can write there" : undefined;
}
