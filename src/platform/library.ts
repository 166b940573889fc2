/**
 * Brings the native library into the process, and says what to do when that can't be.
 *
 * @module
 */
import { textOf } from "../options.ts";
import type { Shim } from "./binding.ts";
import { SHIM_ABI, SYMBOLS } from "./binding.ts";
import { cacheFolders, keepInCache } from "./cache.ts";
import type { EmbeddedLibrary, Target } from "./embedded.ts";
import { targetName, targetNames, targetOf, unpack } from "./embedded.ts";
import { guardedFile } from "./guarded.ts";
import type { Host } from "./host.ts";
import { openNative } from "./host.ts";
import type { CLibrary } from "./linux.ts";
import { openCLibrary, openMemoryFile } from "./linux.ts";
import { LibraryError, PermissionError } from "../errors.ts";

/** A library that is loaded. */
export interface LoadedLibrary {
  /** Its file, or `memory` if it has none. */
  readonly path: string;
  readonly shim: Shim;
}

/**
 * Loads the library that `CAUSEWAY_LIBRARY` names, or else the one that the package carries for
 * this host.
 *
 * @throws {LibraryError} There is none, or it can't be loaded.
 * @throws {PermissionError} The runtime doesn't allow native code.
 */
export async function openLibrary(host: Host): Promise<LoadedLibrary> {
  const named = host.variable("CAUSEWAY_LIBRARY");
  return named ? openNamed(host, named) : await openEmbedded(host);
}

function openNamed(host: Host, name: string): LoadedLibrary {
  const { os, arch, files } = host;
  let path = name;
  let shim: Shim;
  try {
    if (!files.allowed(name, "read")) throw new Error(`that needs ${host.fileFlags}`);
    path = guardedFile(host, name);
    shim = open(host, path);
  } catch (cause) {
    if (cause instanceof PermissionError) throw cause;
    throw new LibraryError(
      `can't load the native library ${path} (named by CAUSEWAY_LIBRARY): ${reasonOf(cause)}. ` +
        `It must exist, be yours or root's and closed to other writers, be built for ${os} on ` +
        `${arch}, and export the functions of csrc/causeway.h; without the variable, the ` +
        "package's own is used",
      { cause },
    );
  }
  const abi = shim.cw_abi();
  if (abi === SHIM_ABI) return { path, shim };
  throw new LibraryError(
    `the native library ${path} has interface version ${abi}, this package needs ${SHIM_ABI}: ` +
      "unset CAUSEWAY_LIBRARY or rebuild it",
  );
}

async function openEmbedded(host: Host): Promise<LoadedLibrary> {
  const libc = host.os === "linux" ? openCLibrary(host) : undefined;
  const name = targetName(host.os, host.arch, libc?.isMusl === true);
  const target = targetOf(name);
  if (target === undefined) {
    throw new LibraryError(
      `there is no native library for ${name}, only for ${targetNames.join(", ")}: ` +
        "build csrc/ with CMake and name the result in CAUSEWAY_LIBRARY",
    );
  }
  const library = await target.load();
  if (library.sha256 === "") {
    throw new LibraryError(
      `the native library for ${name} wasn't built: run \`npm run build all\`, or build csrc/ ` +
        "with CMake and name the result in CAUSEWAY_LIBRARY",
    );
  }
  const failures: Failure[] = [];
  const loaded = await openFromMemory(host, libc, library, failures) ??
    await openFromCache(host, target, library, failures);
  if (loaded !== undefined) return loaded;
  throw new LibraryError(
    `can't load the native library for ${name}: ${failures.map(explain).join("; ")}. ` +
      "Name a directory of yours that allows executable code in CAUSEWAY_CACHE, or the " +
      "library's file in CAUSEWAY_LIBRARY",
    { cause: failures.at(-1)?.cause },
  );
}

/** Why it didn't work in one place. */
interface Failure {
  place: string;
  cause: unknown;
}

function explain({ place, cause }: Failure): string {
  return `${place}: ${reasonOf(cause)}`;
}

async function openFromCache(
  host: Host,
  target: Target,
  library: EmbeddedLibrary,
  failures: Failure[],
): Promise<LoadedLibrary | undefined> {
  const folders = cacheFolders(host);
  if (folders.length === 0) {
    const flags = host.fileFlags && `, or they may not be read (${host.fileFlags})`;
    failures.push({
      place: "the user's cache",
      cause: new Error(`the variables that name it aren't set${flags}`),
    });
  }
  for (const folder of folders) {
    try {
      const path = await keepInCache(host, folder, target.file, library);
      return { path, shim: open(host, path) };
    } catch (cause) {
      if (cause instanceof PermissionError) throw cause;
      failures.push({ place: folder, cause });
    }
  }
  return undefined;
}

/**
 * On Linux, where no other user can get at it; a system may forbid that, or have no `/proc`. A
 * directory that was named is used, or it is an error.
 */
async function openFromMemory(
  host: Host,
  libc: CLibrary | undefined,
  library: EmbeddedLibrary,
  failures: Failure[],
): Promise<LoadedLibrary | undefined> {
  if (libc === undefined || host.variable("CAUSEWAY_CACHE")) return undefined;
  try {
    const bytes = () => unpack(library, host.inflate);
    const file = await openMemoryFile(libc, library.sha256, bytes);
    try {
      return { path: "memory", shim: open(host, file.path) };
    } finally {
      file.close();
    }
  } catch (cause) {
    if (cause instanceof PermissionError) throw cause;
    failures.push({ place: "a file in memory", cause });
    return undefined;
  }
}

function open(host: Host, path: string): Shim {
  return openNative(host, path, SYMBOLS) as unknown as Shim;
}

function reasonOf(error: unknown): string {
  return textOf(error instanceof Error ? error.message : error);
}
