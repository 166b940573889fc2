/**
 * What Linux needs and offers beyond the other systems: two C libraries, and files that are
 * nowhere but in memory.
 *
 * @module
 */
import type { Host } from "./host.ts";
import { openNative } from "./host.ts";
import { PermissionError } from "../errors.ts";

/** The C library of this process. musl answers to the name of glibc's too. */
const LIBC = "libc.so.6";
const MFD_CLOEXEC = 1;

/** Whether this process has musl and not glibc; each needs a build of the shim of its own. */
export function usesMusl(host: Host): boolean {
  try {
    openNative(host, LIBC, { gnu_get_libc_version: "" });
    return false;
  } catch (error) {
    if (error instanceof PermissionError) throw error;
    return true;
  }
}

/** A file without a name; its path is good until it is closed. */
export interface MemoryFile {
  readonly path: string;
  close(): void;
}

/**
 * Puts a library into a file in memory (`memfd_create(2)`), for where there is no directory to
 * write to: a read-only system, no home, or a program that may use native code and no files.
 */
export function createMemoryFile(host: Host, sha256: string, bytes: Uint8Array): MemoryFile {
  const libc = openNative(host, LIBC, { memfd_create: "pu", write: "ipl", close: "i" }) as {
    memfd_create(name: Uint8Array, flags: number): number;
    write(descriptor: number, bytes: Uint8Array, length: bigint): number;
    close(descriptor: number): number;
  };
  const descriptor = libc.memfd_create(new TextEncoder().encode("causeway\0"), MFD_CLOEXEC);
  if (descriptor < 0) throw new Error("memfd_create failed");
  const close = () => void libc.close(descriptor);
  if (libc.write(descriptor, bytes, BigInt(bytes.length)) !== bytes.length) {
    close();
    throw new Error("there is no memory for it");
  }
  return { path: `/proc/self/fd/${spell(sha256)}${descriptor}`, close };
}

/**
 * The loader takes a path it has met for the library it got from there, and descriptors are used
 * again: another version of the library needs another path. Slashes don't change where it leads.
 */
function spell(sha256: string): string {
  const bits = parseInt(sha256.slice(0, 8), 16).toString(2);
  return [...bits].map((bit) => bit === "1" ? ".//" : "./").join("");
}
