/**
 * Which native library to load, and errors that say what to do when it can't be.
 *
 * @module
 */
import type { Shim } from "./binding.ts";
import { SHIM_ABI } from "./binding.ts";
import { LibraryError, PermissionError } from "../errors.ts";

/** What an adapter knows about its host. */
export interface LibraryRequest {
  /** The operating system as the runtime calls it. */
  readonly os: string;
  /** The processor as the runtime calls it. */
  readonly arch: string;
  /** The value of `CAUSEWAY_LIBRARY`. */
  readonly override: string | undefined;
  /** Loads a library by its path, or throws. */
  open(path: string): Shim;
}

const SYSTEMS: Readonly<Record<string, [name: string, file: string]>> = {
  linux: ["linux", "libcauseway.so"],
  android: ["linux", "libcauseway.so"],
  darwin: ["darwin", "libcauseway.dylib"],
  win32: ["windows", "causeway.dll"],
  windows: ["windows", "causeway.dll"],
  freebsd: ["freebsd", "libcauseway.so"],
};
const PROCESSORS: Readonly<Record<string, string>> = {
  x64: "x64",
  x86_64: "x64",
  arm64: "arm64",
  aarch64: "arm64",
};

function builtPath(os: string, arch: string): string {
  const system = SYSTEMS[os];
  const processor = PROCESSORS[arch];
  if (system === undefined || processor === undefined) {
    throw new LibraryError(
      `there is no native library for ${os} on ${arch}: build csrc/ with CMake and name the ` +
        "result in CAUSEWAY_LIBRARY",
    );
  }
  const relative = `../../build/native/${system[0]}-${processor}/${system[1]}`;
  const path = decodeURIComponent(new URL(relative, import.meta.url).pathname);
  return system[0] === "windows" ? path.replace(/^\/(?=[A-Za-z]:)/, "") : path;
}

/** Loads the library of this host, or the one that `CAUSEWAY_LIBRARY` names. */
export function openLibrary(request: LibraryRequest): { path: string; shim: Shim } {
  const { os, arch, override } = request;
  const path = override || builtPath(os, arch);
  const shim = tryOpen(request, path);
  const abi = shim.cw_abi();
  if (abi !== SHIM_ABI) {
    throw new LibraryError(
      `the native library ${path} has interface version ${abi}, this package needs ${SHIM_ABI}: ` +
        (override ? "unset CAUSEWAY_LIBRARY or rebuild it" : "reinstall or rebuild the package"),
    );
  }
  return { path, shim };
}

function tryOpen({ os, arch, override, open }: LibraryRequest, path: string): Shim {
  try {
    return open(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const refused = cause instanceof Error && /NotCapable|PermissionDenied|ERR_ACCESS_DENIED/.test(
      `${cause.name} ${(cause as { code?: unknown }).code}`,
    );
    if (refused) {
      throw new PermissionError(
        `the runtime refuses to load native code (${reason}): run with --allow-ffi`,
        { cause },
      );
    }
    const origin = override ? "named by CAUSEWAY_LIBRARY" : `built for ${os} on ${arch}`;
    throw new LibraryError(
      `can't load the native library ${path} (${origin}): ${reason}. It must exist, be built for ` +
        `${os} on ${arch}, and export the functions of csrc/causeway.h; \`npm run build\` makes it`,
      { cause },
    );
  }
}
