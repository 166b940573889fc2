// What can be known of each library without running it: what it exports, what it needs, and from
// which version of its system on it loads. Other tests run the ones that this machine can run.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { onPath, run } from "../../tools/process.ts";
import { hasZig, root, zig } from "../../tools/toolchain.mjs";
import {
  dependenciesOf,
  dynamicOf,
  exportsOf,
  headersOf,
  loadCommandsOf,
  noBinaryTools,
  sectionsOf,
  segmentsOf,
  signatureFaults,
  versionedImportsOf,
} from "../support/binary.ts";
import { record } from "../../tools/records.ts";

const GLIBC = ["libc.so.6", "libdl.so.2", "libpthread.so.0"];
const FREEBSD = ["libc.so.7", "libthr.so.3"];
const MACOS = ["/usr/lib/libSystem.B.dylib"];
/** The C library is part of Windows 10 and newer. */
const WINDOWS = [
  "ADVAPI32.dll",
  "KERNEL32.dll",
  "bcrypt.dll",
  "ntdll.dll",
];

/** All that each target's library may load. */
const expected: Readonly<Record<string, readonly string[]>> = {
  "linux-x64": ["ld-linux-x86-64.so.2", ...GLIBC],
  "linux-arm64": GLIBC,
  "linux-x64-musl": ["libc.so"],
  "linux-arm64-musl": ["libc.so"],
  "darwin-x64": MACOS,
  "darwin-arm64": MACOS,
  "windows-x64": WINDOWS,
  "windows-arm64": WINDOWS,
  "freebsd-x64": FREEBSD,
  "freebsd-arm64": FREEBSD,
};

const GLIBC_LIMIT = "GLIBC_2.17";
const MACOS_LIMIT = "11.0";
/** What FreeBSD 12 brought; build.zig asks for 14. */
const FREEBSD_LIMIT = "FBSD_1.5";

/** Base64 of all deflated libraries, which is most of what the package weighs. */
const SIZE_LIMIT = 160_000;

const skip = hasZig() ? noBinaryTools : "there is no pinned Zig for this system";
const targets = Object.keys(expected);

function libraryOf(target: string): string {
  const folder = path.join(root, "build/native", target);
  const names = fs.readdirSync(folder);
  assert.equal(names.length, 1, `${folder}: ${names.join(", ")}`);
  return path.join(folder, names[0]!);
}

/** What csrc/causeway.h declares. */
function declared(): string[] {
  const header = fs.readFileSync(path.join(root, "csrc/causeway.h"), "utf8");
  return [...header.matchAll(/^CW_API [\w ]+?\b(cw_\w+)\(/gm)].map((match) => match[1]!).sort();
}

/** What has not been seen to hold so far. */
const open = new Set<string>();

/** Registers a test for each target whose name begins so. */
function each(start: string, what: string, check: (file: string, target: string) => void): void {
  for (const target of targets.filter((name) => name.startsWith(start))) {
    const name = `${target}: ${what}`;
    open.add(name);
    test(name, { skip }, () => {
      check(libraryOf(target), target);
      open.delete(name);
    });
  }
}

/** For numbers after an underscore: GLIBC_2.4 is older than GLIBC_2.17. */
function isNewer(version: string, limit: string): boolean {
  return version.localeCompare(limit, "en", { numeric: true }) > 0;
}

test("every target builds", { skip: hasZig() ? false : skip }, async () => {
  const { code, output } = await run([zig, "build", "all"]);
  assert.equal(code, 0, output);
  assert.deepEqual(fs.readdirSync(path.join(root, "build/native")).sort(), targets.toSorted());
});

each("", "exports what the header declares, and nothing else", (file) => {
  assert.ok(declared().length > 30, declared().join(" "));
  assert.deepEqual(exportsOf(file), declared());
});

each("", "loads only what its system has", (file, target) => {
  assert.deepEqual(dependenciesOf(file), expected[target]!.toSorted());
});

each("", "says nothing of the machine that built it", (file) => {
  const content = fs.readFileSync(file, "latin1");
  for (const place of [root, os.homedir(), "/home/", "/Users/", ".zig-cache", "node_modules"]) {
    assert.ok(place === "/" || !content.includes(place), place);
  }
});

for (const start of ["linux", "freebsd"]) {
  each(start, "has no stack that code runs on, and nothing to write to but data", (file) => {
    const segments = segmentsOf(file);
    const stack = segments.filter(([type]) => type === "PT_GNU_STACK");
    assert.deepEqual(stack, [["PT_GNU_STACK", "PF_R PF_W"]]);
    assert.ok(segments.some(([type]) => type === "PT_GNU_RELRO"));
    assert.ok(!segments.some(([, flags]) => flags.includes("PF_W PF_X")), String(segments));
    const dynamic = dynamicOf(file);
    assert.match(dynamic, /FLAGS +BIND_NOW/); // or the table of functions stays writable
    assert.doesNotMatch(dynamic, /TEXTREL/);
  });

  each(start, "is stripped, has its name, and looks nowhere for others", (file) => {
    const debugging = sectionsOf(file).filter((name) => /^\.(symtab|debug)/.test(name));
    assert.deepEqual(debugging, []);
    const dynamic = dynamicOf(file);
    assert.match(dynamic, /SONAME +Library soname: \[libcauseway\.so\]/);
    assert.doesNotMatch(dynamic, /RPATH|RUNPATH/);
  });
}

each("linux", `needs no glibc newer than ${GLIBC_LIMIT}, or none at all`, (file, target) => {
  const versions = versionedImportsOf(file).flatMap((name) => name.match(/GLIBC_[\d.]+/) ?? []);
  assert.equal(versions.length === 0, target.endsWith("musl"));
  assert.deepEqual(versions.filter((version) => isNewer(version, GLIBC_LIMIT)), []);
});

each("freebsd", "needs what FreeBSD 14 has, and semaphores of one kind", (file) => {
  const imports = versionedImportsOf(file);
  const versions = imports.flatMap((name) => name.match(/FBSD_[\d.]+/) ?? []);
  assert.ok(versions.length > 0);
  assert.deepEqual(versions.filter((version) => isNewer(version, FREEBSD_LIMIT)), []);
  // libthr's own, FBSD_1.0, take another sem_t than sem_open of libc gives.
  const semaphores = imports.filter((name) => name.startsWith("sem_"));
  assert.equal(semaphores.length, 7);
  assert.deepEqual(semaphores.filter((name) => !name.endsWith("@FBSD_1.2")), []);
});

each("darwin", `runs on macOS ${MACOS_LIMIT} and newer, from wherever it lies`, (file) => {
  const commands = loadCommandsOf(file);
  const built = /cmd LC_BUILD_VERSION\n(?: .*\n)*? +platform (\S+)\n(?: .*\n)*? +minos (\S+)/;
  const [, platform, minimum] = built.exec(commands)!;
  assert.deepEqual([platform, minimum], ["macos", MACOS_LIMIT]);
  assert.match(commands, /cmd LC_ID_DYLIB\n.*\n +name @rpath\/libcauseway\.dylib /);
  assert.doesNotMatch(commands, /LC_RPATH/);
  assert.deepEqual(sectionsOf(file).filter((name) => name.startsWith("__debug")), []);
});

// Zig signs what Apple's own processors refuse to load without; Intel's ask for none.
each("darwin-arm64", "has a signature, and the hash of every page is right", (file) => {
  assert.deepEqual(signatureFaults(file), []);
});

test("a changed byte breaks a signature", { skip }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-signature-"));
  try {
    const changed = path.join(folder, "libcauseway.dylib");
    const bytes = fs.readFileSync(libraryOf("darwin-arm64"));
    bytes[5000]! ^= 1;
    fs.writeFileSync(changed, bytes);
    assert.match(signatureFaults(changed).join(), /^page \d has another hash$/);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

each("windows", "moves in memory, keeps data from running, and has no symbols", (file) => {
  const headers = headersOf(file);
  for (const flag of ["DYNAMIC_BASE", "HIGH_ENTROPY_VA", "NX_COMPAT"]) {
    assert.match(headers, new RegExp(`IMAGE_DLL_CHARACTERISTICS_${flag} `));
  }
  assert.match(headers, /IMAGE_FILE_DLL /);
  assert.match(headers, /SymbolCount: 0$/m);
  assert.match(headers, /MajorSubsystemVersion: 6$/m);
  assert.match(headers, /MajorOperatingSystemVersion: 6$/m);
  assert.deepEqual(sectionsOf(file).filter((name) => name.startsWith(".debug")), []);
});

test("all of them together are small", { skip: hasZig() ? false : skip }, () => {
  const sizes = targets.map((target) => {
    const packed = deflateRawSync(fs.readFileSync(libraryOf(target)), { level: 9, memLevel: 9 });
    return Math.ceil(packed.length / 3) * 4;
  });
  const sum = sizes.reduce((total, size) => total + size, 0);
  assert.ok(sum < SIZE_LIMIT, `${sum} bytes`);
});

const noCMake = onPath("cmake") ? noBinaryTools : "no cmake";
test("CMake's library exports the same", { skip: noCMake }, async () => {
  const folder = path.join(root, "build/cmake");
  for (
    const command of [
      ["cmake", "-S", "csrc", "-B", folder, "-DCMAKE_BUILD_TYPE=Release"],
      ["cmake", "--build", folder, "--config", "Release"],
    ]
  ) {
    const { code, output } = await run(command);
    assert.equal(code, 0, output);
  }
  const name = fs.readdirSync(folder).find((name) => /causeway\.(so|dylib|dll)$/.test(name))!;
  assert.deepEqual(exportsOf(path.join(folder, name)), declared());
});

test("all of it holds", { skip }, () => {
  assert.deepEqual([...open], []);
  for (const target of targets) record(target, "built", systemOf(target));
});

function systemOf(target: string): string {
  if (target.endsWith("musl")) return "musl";
  if (target.startsWith("linux")) return `glibc ${GLIBC_LIMIT.slice(6)}`;
  if (target.startsWith("darwin")) return `macOS ${MACOS_LIMIT.slice(0, 2)}`;
  return target.startsWith("windows") ? "Windows 10" : "FreeBSD 14";
}
