// What a library is made of, as LLVM's tools print it: they read ELF, Mach-O and PE alike. Only the
// signature of a Mach-O file is read here, since no tool checks one outside macOS.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { onPath } from "../../tools/process.ts";

const TOOLS = ["llvm-readobj", "llvm-nm", "llvm-objdump"];

/** Why nothing can be read here, or false. */
export const noBinaryTools: string | false = TOOLS.every(onPath)
  ? false
  : `no ${TOOLS.find((tool) => !onPath(tool))} (package llvm)`;

function printed(...command: string[]): string {
  const [tool, ...args] = command as [string, ...string[]];
  return execFileSync(tool, args, { encoding: "utf8", stdio: "pipe" });
}

function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

/** Zig's linker exports these from every Mach-O library. */
const LINKERS_OWN = ["__dso_handle", "_mh_dylib_header"];

/** What a library exports, in order. */
export function exportsOf(file: string): string[] {
  if (file.endsWith(".dll")) {
    return all(printed("llvm-readobj", "--coff-exports", file), /^ {2}Name: (.+)$/gm).sort();
  }
  if (file.endsWith(".dylib")) {
    // The trie is what the loader goes by.
    const trie = printed("llvm-objdump", "--macho", "--exports-trie", file);
    const names = all(trie, /^0x\w+ +_(\S+)$/gm).sort();
    return names.filter((name) => !LINKERS_OWN.includes(name));
  }
  return printed("llvm-nm", "--dynamic", "--defined-only", "-j", file).trim().split("\n").sort();
}

/** The libraries that it loads, in order. */
export function dependenciesOf(file: string): string[] {
  if (file.endsWith(".dll")) {
    return all(printed("llvm-readobj", "--coff-imports", file), /^ {2}Name: (.+)$/gm).sort();
  }
  if (file.endsWith(".dylib")) {
    return all(loadCommandsOf(file), /cmd LC_LOAD\w*_DYLIB\n.*\n +name (\S+)/g).sort();
  }
  return all(dynamicOf(file), /NEEDED +Shared library: \[(.+)\]/g).sort();
}

/** What it takes from one of them that has versions: `sem_post@FBSD_1.2`. */
export function versionedImportsOf(file: string): string[] {
  return printed("llvm-nm", "--dynamic", "--undefined-only", "-j", file).trim().split("\n");
}

/** The dynamic section of an ELF file. */
export function dynamicOf(file: string): string {
  return printed("llvm-readobj", "--dynamic-table", file);
}

/** A segment of an ELF file: its flags, such as `PF_R PF_X`, by its type. */
export function segmentsOf(file: string): [type: string, flags: string][] {
  const text = printed("llvm-readobj", "--program-headers", file);
  return text.split("ProgramHeader {").slice(1).map((block) => [
    /Type: (\w+)/.exec(block)![1]!,
    all(block, /\b(PF_[RWX])\b/g).join(" "),
  ]);
}

/** The names of its sections. */
export function sectionsOf(file: string): string[] {
  return all(printed("llvm-readobj", "--sections", file), /^ +Name: (\S+)/gm);
}

/** The load commands of a Mach-O file. */
export function loadCommandsOf(file: string): string {
  return printed("llvm-objdump", "--macho", "--private-headers", file);
}

/** The headers of a PE file. */
export function headersOf(file: string): string {
  return printed("llvm-readobj", "--file-headers", file);
}

const LC_CODE_SIGNATURE = 0x1d;
const EMBEDDED_SIGNATURE = 0xfade0cc0;
const CODE_DIRECTORY = 0xfade0c02;
const AD_HOC = 2;
const SHA256 = 2;

/**
 * What is wrong with the signature of a Mach-O file, or nothing: it must be ad hoc, cover all that
 * precedes it, and have the right hash of each page. Layout: xnu, `osfmk/kern/cs_blobs.h`.
 */
export function signatureFaults(file: string): string[] {
  const bytes = fs.readFileSync(file);
  const start = signatureOffset(bytes);
  if (start === undefined) return ["no signature"];
  if (bytes.readUInt32BE(start) !== EMBEDDED_SIGNATURE) return ["no embedded signature"];
  const directory = start + bytes.readUInt32BE(start + 16); // the first blob's place
  if (bytes.readUInt32BE(directory) !== CODE_DIRECTORY) return ["no code directory"];

  const faults: string[] = [];
  const word = (offset: number) => bytes.readUInt32BE(directory + offset);
  const hashes = directory + word(16);
  const pages = word(28), limit = word(32);
  const hashSize = bytes[directory + 36]!, hashType = bytes[directory + 37];
  const pageSize = 2 ** bytes[directory + 39]!;
  if ((word(12) & AD_HOC) === 0) faults.push("not ad hoc");
  if (hashType !== SHA256 || hashSize !== 32) return [...faults, "hashes that aren't SHA-256"];
  if (limit !== start) faults.push(`covers ${limit} bytes of ${start}`);
  if (pages !== Math.ceil(limit / pageSize)) faults.push(`${pages} hashes of ${limit} bytes`);
  for (let page = 0; page < pages; page++) {
    const content = bytes.subarray(page * pageSize, Math.min((page + 1) * pageSize, limit));
    const expected = bytes.subarray(hashes + page * hashSize, hashes + (page + 1) * hashSize);
    const actual = createHash("sha256").update(content).digest();
    if (!actual.equals(expected)) faults.push(`page ${page} has another hash`);
  }
  return faults;
}

function signatureOffset(bytes: Buffer): number | undefined {
  const commands = bytes.readUInt32LE(16);
  for (let at = 32, count = 0; count < commands; count++, at += bytes.readUInt32LE(at + 4)) {
    if (bytes.readUInt32LE(at) === LC_CODE_SIGNATURE) return bytes.readUInt32LE(at + 8);
  }
  return undefined;
}
