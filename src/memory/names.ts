/**
 * From names of any length and alphabet to file names, and ids of nodes.
 *
 * Names are encoded so that no two collide, also where the file system ignores
 * case: lower-case ASCII letters, digits, `_` and `-` stand for themselves, every
 * other byte of the UTF-8 form is `%` and two hex digits. What gets longer than
 * {@linkcode MAX_FILE_NAME} becomes `~` and its SHA-256; the real name is kept
 * inside of the segment.
 *
 * @module
 */
import { ArgumentError, SystemError } from "../errors.ts";
import type { Shim } from "../platform/binding.ts";

/** The longest file name made from a name; file systems allow 255 bytes. */
export const MAX_FILE_NAME = 160;

const encoder = new TextEncoder();
const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

/** Checks a name given by a user and returns it. */
export function checkName(name: string): string {
  if (typeof name !== "string" || name.length === 0) {
    throw new ArgumentError(`a name must be a string that isn't empty, got ${describe(name)}`);
  }
  if (!name.isWellFormed()) {
    throw new ArgumentError(
      `the name ${JSON.stringify(name)} holds half of a surrogate pair, which has no UTF-8 form`,
    );
  }
  return name;
}

function describe(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : typeof value;
}

/** The file name for a name that was checked. */
export async function encodeName(name: string): Promise<string> {
  const bytes = encoder.encode(name);
  let encoded = "";
  for (const byte of bytes) {
    const plain = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) ||
      byte === 0x5f || byte === 0x2d;
    encoded += plain ? String.fromCharCode(byte) : `%${hex(byte)}`;
    if (encoded.length > MAX_FILE_NAME) return `~${await sha256(bytes)}`;
  }
  return encoded;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, hex).join("");
}

/** A new random node id: 16 hex digits, never all zero. */
export function randomNodeId(shim: Shim): string {
  const bytes = randomBytes(shim, 8);
  bytes[0]! |= 1;
  return Array.from(bytes, hex).join("");
}

/** Random bytes from the system; Node's own `crypto` takes 5 ms to load. */
export function randomBytes(shim: Shim, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const status = shim.cw_random(bytes, length);
  if (status < 0) throw new SystemError("the system gives no randomness", shim.cw_last_error());
  return bytes;
}

/** Writes an id into shared memory. */
export function writeNodeId(bytes: Uint8Array, offset: number, id: string): void {
  for (let i = 0; i < 8; i++) bytes[offset + i] = parseInt(id.slice(2 * i, 2 * i + 2), 16);
}

/** Reads an id from shared memory; any eight bytes are one. */
export function readNodeId(bytes: Uint8Array, offset: number): string {
  let id = "";
  for (let i = 0; i < 8; i++) id += hex(bytes[offset + i]!);
  return id;
}

/** Is it a file name made of a node id? */
export function isNodeId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}
