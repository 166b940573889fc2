/**
 * Where an embedded library becomes a file: once per user and version, in the user's cache.
 *
 * A file is named after its hash and checked before it is used; it gets its name when it is
 * complete. So versions, processes and users don't get in each other's way, and what a crash or a
 * full disk has left is replaced. The directory must be ours alone: who can write there, can run
 * code as us.
 *
 * @module
 */
import type { EmbeddedLibrary } from "./embedded.ts";
import type { FileFacts, Files, Host } from "./host.ts";

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

function isWindows({ os }: Host): boolean {
  return /^win/.test(os);
}

/** Elsewhere a backslash is a letter like others. */
function separatorOf(host: Host): string {
  return isWindows(host) ? "\\" : "/";
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
  if (!files.allowed(folder)) throw new Error(`that needs ${host.fileFlags}`);
  prepare(host, folder);
  const [stem, extension] = file.split(".") as [string, string];
  const base = `${folder}${separatorOf(host)}${stem}-${library.sha256.slice(0, 32)}`;
  const path = `${base}.${extension}`;
  if (await isIntact(host, path, library)) return path;

  const part = `${base}.${crypto.randomUUID()}`;
  try {
    files.write(part, await unpack(host, library));
    files.rename(part, path);
  } catch (error) {
    if (files.inspect(part) !== undefined) files.remove(part);
    // Windows keeps a library that is loaded from being replaced: another process was faster.
    if (!await isIntact(host, path, library)) throw error;
  }
  return path;
}

function prepare(host: Host, folder: string): void {
  const { files } = host;
  const facts = files.inspect(folder) ?? makeFolder(host, folder);
  if (!facts?.isDirectory) throw new Error("it is a link or no directory");
  if (facts.isForeign) throw new Error("it belongs to another user");
  if (facts.isShared) throw new Error("other users can write there");
}

function makeFolder(host: Host, folder: string): FileFacts | undefined {
  const { files } = host;
  // `.cache` may be missing in a new home, but a home that isn't there is meant not to be.
  const above = folder.slice(0, Math.max(0, folder.lastIndexOf(separatorOf(host))));
  if (above !== "" && files.inspect(above) === undefined) make(files, above);
  make(files, folder);
  return files.inspect(folder);
}

function make(files: Files, folder: string): void {
  try {
    files.makeDirectory(folder);
  } catch (error) {
    if (files.inspect(folder) === undefined) throw error; // else another process was faster
  }
}

async function isIntact(host: Host, path: string, library: EmbeddedLibrary): Promise<boolean> {
  if (!host.files.inspect(path)?.isFile) return false; // a pipe would keep us waiting
  const bytes = host.files.read(path);
  return bytes !== undefined && await host.matches(bytes, library);
}

/** The library's bytes. */
export async function unpack(
  host: Host,
  library: EmbeddedLibrary,
): Promise<Uint8Array<ArrayBuffer>> {
  return await host.inflate(Uint8Array.fromBase64(library.data));
}
