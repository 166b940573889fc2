/**
 * The native libraries that the package carries, a module for each target, so that they come along
 * wherever modules do: from a registry, in a bundle, in an executable. `tools/embed.mjs` makes the
 * modules from what `zig build` made; only the one that is needed gets loaded.
 *
 * @module
 */

/** A library as its module holds it. */
export interface EmbeddedLibrary {
  /** Of the library, in hexadecimal; empty if this target wasn't built. */
  readonly sha256: string;
  /** How it became text: in hexadecimal, or deflated and in base64. */
  readonly encoding: "hex" | "deflate";
  /** The library. */
  readonly data: string;
}

/** The library's bytes; `inflate` is the reverse of a raw deflate. */
export function unpack<Inflated>(
  { encoding, data }: EmbeddedLibrary,
  inflate: (bytes: Uint8Array<ArrayBuffer>) => Inflated,
): Inflated | Uint8Array<ArrayBuffer> {
  return encoding === "hex" ? Uint8Array.fromHex(data) : inflate(Uint8Array.fromBase64(data));
}

/** A system and processor that there is a library for. */
export interface Target {
  /** What the library is called on that system. */
  readonly file: string;
  load(): Promise<EmbeddedLibrary>;
}

// Written out, each path a literal: that is how compilers and bundlers find the modules.
// deno-fmt-ignore
const TARGETS: Readonly<Record<string, Target>> = {
  "linux-x64":        { file: "libcauseway.so",    load: () => import("./native/linux-x64.ts") },
  "linux-arm64":      { file: "libcauseway.so",    load: () => import("./native/linux-arm64.ts") },
  "linux-x64-musl":   { file: "libcauseway.so",    load: () => import("./native/linux-x64-musl.ts") },
  "linux-arm64-musl": { file: "libcauseway.so",    load: () => import("./native/linux-arm64-musl.ts") },
  "darwin-x64":       { file: "libcauseway.dylib", load: () => import("./native/darwin-x64.ts") },
  "darwin-arm64":     { file: "libcauseway.dylib", load: () => import("./native/darwin-arm64.ts") },
  "windows-x64":      { file: "causeway.dll",      load: () => import("./native/windows-x64.ts") },
  "windows-arm64":    { file: "causeway.dll",      load: () => import("./native/windows-arm64.ts") },
  "freebsd-x64":      { file: "libcauseway.so",    load: () => import("./native/freebsd-x64.ts") },
  "freebsd-arm64":    { file: "libcauseway.so",    load: () => import("./native/freebsd-arm64.ts") },
};

/** The names that `process.platform` and `Deno.build.os` give systems, and ours. */
const SYSTEMS: Readonly<Record<string, string>> = {
  linux: "linux",
  darwin: "darwin",
  win32: "windows",
  windows: "windows",
  freebsd: "freebsd",
};
const PROCESSORS: Readonly<Record<string, string>> = {
  x64: "x64",
  x86_64: "x64",
  arm64: "arm64",
  aarch64: "arm64",
};

/** A target's name, as in `build/native`: `linux-x64-musl`. */
export function targetName(os: string, arch: string, isMusl: boolean): string {
  const suffix = isMusl ? "-musl" : "";
  return `${SYSTEMS[os] ?? os}-${PROCESSORS[arch] ?? arch}${suffix}`;
}

/** All of their names. */
export const targetNames: readonly string[] = Object.keys(TARGETS);

/** The target of that name, if there is a library for it. */
export function targetOf(name: string): Target | undefined {
  return Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
}
