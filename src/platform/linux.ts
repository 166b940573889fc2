/**
 * What Linux needs and offers beyond the other systems: two C libraries, and files that are
 * nowhere but in memory.
 *
 * @module
 */
import type { Host, SymbolTable } from "./host.ts";
import { openNative } from "./host.ts";
import { PermissionError } from "../errors.ts";

/** The C library of this process. musl answers to the name of glibc's too. */
const LIBC = "libc.so.6";
const GLIBC_ONLY = { gnu_get_libc_version: "" } as const;
const MFD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;

/** What we use of it: addresses of buffers, and numbers. */
const FUNCTIONS = {
  memfd_create: "pu",
  write: "ipl",
  fcntl: "iii",
  readlink: "ppl",
  close: "i",
} as const;

interface Functions {
  memfd_create(name: Uint8Array, flags: number): number;
  write(descriptor: number, bytes: Uint8Array, length: bigint): number;
  fcntl(descriptor: number, command: number, argument: number): number;
  readlink(path: Uint8Array, out: Uint8Array, length: bigint): number;
  close(descriptor: number): number;
}

/** The C library of a process. */
export interface CLibrary {
  /** Whether it is musl and not glibc; each needs a build of the shim of its own. */
  readonly isMusl: boolean;
  /** @throws {Error} It is too old to have them all. */
  functions(): Functions;
}

/** Opens the C library that the process has anyway, in one step where that can be. */
export function openCLibrary(host: Host): CLibrary {
  const open = (symbols: SymbolTable) => openNative(host, LIBC, symbols) as unknown as Functions;
  try {
    const functions = open({ ...FUNCTIONS, ...GLIBC_ONLY });
    return { isMusl: false, functions: () => functions };
  } catch (error) {
    if (error instanceof PermissionError) throw error;
    return { isMusl: !isGlibc(host), functions: () => open(FUNCTIONS) };
  }
}

function isGlibc(host: Host): boolean {
  try {
    openNative(host, LIBC, GLIBC_ONLY);
    return true;
  } catch {
    return false;
  }
}

/** A library's file in memory; its path is good until it is closed. */
export interface MemoryFile {
  readonly path: string;
  close(): void;
}

/** Where the file's descriptor is put, above what programs use first, and how many are looked at. */
const FIRST_DESCRIPTOR = 500;
const DESCRIPTORS = 8;

/**
 * A library in a file in memory (`memfd_create(2)`), which only this process can reach: what
 * is loaded is what was written. It needs no directory, no home and no permission for files.
 *
 * The descriptor stays open, so that the other threads of the process find it and get the library
 * that is loaded already: one of its own for each would never be unloaded.
 */
export async function openMemoryFile(
  library: CLibrary,
  sha256: string,
  bytes: () => Uint8Array | Promise<Uint8Array>,
): Promise<MemoryFile> {
  const libc = library.functions();
  const name = `causeway-${sha256.slice(0, 32)}`;
  const found = findDescriptor(libc, name);
  if (found !== undefined) return { path: pathOf(sha256, found), close() {} };
  const made = writeMemoryFile(libc, name, await bytes());
  const kept = libc.fcntl(made, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
  if (kept < 0) return { path: pathOf(sha256, made), close: () => void libc.close(made) };
  libc.close(made);
  return { path: pathOf(sha256, kept), close() {} };
}

const encoder = new TextEncoder();

/** The descriptor of the file of that name, if this process has one. */
function findDescriptor(libc: Functions, name: string): number | undefined {
  const wanted = `/memfd:${name} (deleted)`;
  const out = new Uint8Array(wanted.length + 1);
  for (let i = 0; i < DESCRIPTORS; i++) {
    const descriptor = FIRST_DESCRIPTOR + i;
    const path = encoder.encode(`/proc/self/fd/${descriptor}\0`);
    const length = libc.readlink(path, out, BigInt(out.length));
    if (length !== wanted.length) continue;
    if (new TextDecoder().decode(out.subarray(0, length)) === wanted) return descriptor;
  }
  return undefined;
}

function writeMemoryFile(libc: Functions, name: string, bytes: Uint8Array): number {
  const descriptor = libc.memfd_create(encoder.encode(`${name}\0`), MFD_CLOEXEC);
  if (descriptor < 0) throw new Error("memfd_create failed");
  if (libc.write(descriptor, bytes, BigInt(bytes.length)) === bytes.length) return descriptor;
  libc.close(descriptor);
  throw new Error("there is no memory for it");
}

/**
 * The loader takes a path it has met for the library it got from there, and descriptors are used
 * again: another version of the library needs another path. Slashes don't change where it leads.
 */
function pathOf(sha256: string, descriptor: number): string {
  const bits = parseInt(sha256.slice(0, 8), 16).toString(2);
  const spelt = [...bits].map((bit) => bit === "1" ? ".//" : "./").join("");
  return `/proc/self/fd/${spelt}${descriptor}`;
}
