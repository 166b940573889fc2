/**
 * What bringing the native library into the process needs of a runtime.
 *
 * @module
 */

import type { EmbeddedLibrary } from "./embedded.ts";
import { PermissionError } from "../errors.ts";

/** A function of a native library: all of ours take numbers and buffers and return 32 bits. */
export type NativeFunction = (...args: unknown[]) => number;

/** Functions of a library and what they take, a letter each: as in `SYMBOLS`, and `l` for 64 bits. */
export type SymbolTable = Readonly<Record<string, string>>;

/** One runtime, before the library is loaded. */
export interface Host {
  /** The operating system as the runtime calls it. */
  readonly os: string;
  /** The processor as the runtime calls it. */
  readonly arch: string;
  /** The flags that let us read variables and keep files, where the runtime asks for such. */
  readonly fileFlags: string;
  /** An environment variable; undefined too if we may not read it. */
  variable(name: string): string | undefined;
  /** Opens a library and looks its functions up. */
  open(path: string, symbols: SymbolTable): Record<string, NativeFunction>;
  /** Whether a file's contents are this library, in the way that takes the runtime the least time. */
  matches(bytes: Uint8Array<ArrayBuffer>, library: EmbeddedLibrary): boolean | Promise<boolean>;
  /** The reverse of a raw deflate. */
  inflate(
    bytes: Uint8Array<ArrayBuffer>,
  ): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  /** The file system. */
  readonly files: Files;
}

/** The file system, as far as a cache needs it. What can't be done throws the runtime's error. */
export interface Files {
  /** Whether we may see there whose files those are, and write as well, without asking the user. */
  allowed(path: string, how: "read" | "write"): boolean;
  /** The path without links in it. */
  realPath(path: string): string;
  /** What there is under a name, without following a link; undefined if nothing is. */
  inspect(path: string): FileFacts | undefined;
  /** Makes a directory that only its owner can use; the one above it must be there. */
  makeDirectory(path: string): void;
  /** The contents of a file, undefined if there is none. */
  read(path: string): Uint8Array<ArrayBuffer> | undefined;
  /** Writes a file that isn't there yet and that only its owner can use. */
  write(path: string, bytes: Uint8Array): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
}

/** What we want to know about a file or directory. Windows has no owners and modes in this sense. */
export interface FileFacts {
  readonly isDirectory: boolean;
  readonly isFile: boolean;
  /** Whose it is. Root can change everything, so what is root's is as safe as what is ours. */
  readonly owner: "us" | "root" | "other";
  /** Group or others can write it. */
  readonly isShared: boolean;
  /** A directory in which each can remove and rename only what is their own. */
  readonly isSticky: boolean;
}

/** A table of symbols as one runtime wants it: with its names of the types, declared in its way. */
export function declarations<Type, Declaration>(
  symbols: SymbolTable,
  types: Readonly<Record<string, Type>>,
  declare: (parameters: Type[]) => Declaration,
): Record<string, Declaration> {
  return Object.fromEntries(
    Object.entries(symbols).map(([name, letters]) => [
      name,
      declare([...letters].map((letter) => types[letter]!)),
    ]),
  );
}

/** The facts as both of the runtimes' `lstat` give them. */
export function fileFacts(
  kind: { isDirectory: boolean; isFile: boolean },
  owner: { uid: number | null; mode: number | null },
  user: number | null | undefined,
): FileFacts {
  const known = user !== null && user !== undefined;
  const mode = known ? owner.mode ?? 0 : 0;
  return {
    ...kind,
    owner: !known || owner.uid === user ? "us" : owner.uid === 0 ? "root" : "other",
    isShared: (mode & 0o022) !== 0,
    isSticky: (mode & 0o1000) !== 0,
  };
}

/**
 * Opens a library on a host.
 *
 * @throws {PermissionError} The runtime doesn't allow native code.
 */
export function openNative(
  host: Host,
  path: string,
  symbols: SymbolTable,
): Record<string, NativeFunction> {
  try {
    return host.open(path, symbols);
  } catch (cause) {
    if (!isRefused(cause)) throw cause;
    throw new PermissionError(
      `the runtime refuses to load native code (${cause.message}): run with --allow-ffi`,
      { cause },
    );
  }
}

function isRefused(error: unknown): error is Error {
  return error instanceof Error && /NotCapable|PermissionDenied|ERR_ACCESS_DENIED/.test(
    `${error.name} ${(error as { code?: unknown }).code}`,
  );
}
