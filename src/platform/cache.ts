/**
 * Where an embedded library becomes a file: once per user and version, in the user's cache.
 *
 * A file is named after its hash and checked before it is used; it gets its name when it is
 * complete. So versions, processes and users don't get in each other's way, and what a crash or a
 * full disk has left is replaced. The directory must be ours alone, and no other user may be able to
 * put another in its place: a user who can write there can run code as us.
 *
 * @module
 */
import type { EmbeddedLibrary } from "./embedded.ts";
import { unpack } from "./embedded.ts";
import { guardedFolder, isWindows, separatorOf } from "./guarded.ts";
import type { Files, Host } from "./host.ts";

/** The folders to try, the best one first. */
export function cacheFolders(host: Host): string[] {
  const windows = isWindows(host);
  const join = (folder: string | undefined, ...names: string[]) =>
    folder ? [[folder, ...names].join(separatorOf(host))] : [];
  const chosen = host.variable("CAUSEWAY_CACHE");
  if (chosen) return [chosen];
  const home = host.variable("HOME");
  const temporary = host.variable(windows ? "TEMP" : "TMPDIR");
  const own = windows
    ? join(host.variable("LOCALAPPDATA"), "causeway")
    : host.os === "darwin"
    ? join(home, "Library/Caches/causeway")
    : join(host.variable("XDG_CACHE_HOME") || (home && `${home}/.cache`), "causeway");
  return [...own, ...join(temporary, "causeway-cache")];
}

/**
 * The path of the library in that folder, where it is put if it isn't there yet.
 *
 * @throws {Error} With the reason why it can't be kept there.
 */
export async function keepInCache(
  host: Host,
  folder: string,
  file: string,
  library: EmbeddedLibrary,
): Promise<string> {
  const { files } = host;
  if (!files.allowed(folder, "write")) throw new Error(`that needs ${host.fileFlags}`);
  const place = prepare(host, folder);
  const [stem, extension] = file.split(".") as [string, string];
  const base = `${place}${separatorOf(host)}${stem}-${library.sha256.slice(0, 32)}`;
  const path = `${base}.${extension}`;
  if (await isIntact(host, path, library)) return path;

  const part = `${base}.${crypto.randomUUID()}`;
  try {
    files.write(part, await unpack(library, host.inflate));
    files.rename(part, path);
  } catch (error) {
    if (files.inspect(part) !== undefined) files.remove(part);
    // Windows keeps a library that is loaded from being replaced: another process was faster.
    if (!await isIntact(host, path, library)) throw error;
  }
  return path;
}

/** The folder's real path; it is made where it isn't there yet, and refused if it isn't ours alone. */
function prepare(host: Host, folder: string): string {
  const { files } = host;
  const [above, name] = split(host, folder);
  // `.cache` may be missing in a new home, but a home that isn't there is meant not to be.
  if (files.inspect(above) === undefined) makeGuarded(host, above);
  const path = guarded(host, above, name);
  if (files.inspect(path) === undefined) make(files, path);
  const facts = files.inspect(path);
  if (!facts?.isDirectory) throw new Error("it is a link or no directory");
  if (facts.owner !== "us") throw new Error("it belongs to another user");
  if (facts.isShared) throw new Error("other users can write there");
  return path;
}

function makeGuarded(host: Host, folder: string): void {
  const [above, name] = split(host, folder);
  make(host.files, guarded(host, above, name));
}

function guarded(host: Host, above: string, name: string): string {
  const real = guardedFolder(host, above);
  return real.endsWith(separatorOf(host)) ? real + name : real + separatorOf(host) + name;
}

/** The folder above and the name in it, as `dirname` and `basename`. */
function split(host: Host, folder: string): [string, string] {
  const separator = separatorOf(host);
  let end = folder.length;
  while (end > 1 && folder[end - 1] === separator) end--;
  const at = folder.lastIndexOf(separator, end - 1);
  const name = folder.slice(at + 1, end);
  return [at < 0 ? "." : folder.slice(0, at) || separator, name];
}

function make(files: Files, folder: string): void {
  try {
    files.makeDirectory(folder);
  } catch (error) {
    if (files.inspect(folder) === undefined) throw error; // else another process was faster
  }
}

async function isIntact(host: Host, path: string, library: EmbeddedLibrary): Promise<boolean> {
  const facts = host.files.inspect(path);
  if (!facts?.isFile) return false; // a pipe would keep us waiting
  if (facts.owner !== "us" || facts.isShared) return false; // another user could still change it
  const bytes = host.files.read(path);
  return bytes !== undefined && await host.matches(bytes, library);
}
