// The shim's own tests, tests/native, on the libraries that are shipped for Linux: natively, with
// musl as the C library, and on arm64, whose instructions QEMU translates. They load the library
// dynamically, as a runtime does.
//
// QEMU hands system calls on to this machine's kernel, so futex, flock and inotify are the real ones;
// what it doesn't show is how weakly an arm64 processor orders memory.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { debianPackage } from "../../tools/systems/debian.ts";
import { onPath, run } from "../../tools/process.ts";
import {
  buildNativePrograms,
  nativeProgramFolder,
  noNativePrograms,
  posixProgramNames,
} from "../support/native_programs.ts";
import { record } from "../../tools/records.ts";

/** A program ends itself after 40 s; this is for one that can't even do that. */
const LIMIT = 120;

interface Machine {
  target: string;
  /** What is recorded beside the count. */
  by: string;
  /** What a command begins with. Throws if that can't be had. */
  prefix(): string[];
}

const QEMU = "qemu-aarch64";
const ARM64_LIBRARIES = "/usr/aarch64-linux-gnu";
const MUSL_LOADER = "/lib/ld-musl-x86_64.so.1";

const machines: readonly Machine[] = [
  {
    target: "linux-x64",
    by: "",
    prefix: () =>
      need(process.arch === "x64" && isGlibc(), "this machine isn't x64 with glibc", []),
  },
  {
    target: "linux-x64-musl",
    by: "",
    prefix: () => need(fs.existsSync(MUSL_LOADER), `no ${MUSL_LOADER} (package musl)`, []),
  },
  {
    target: "linux-arm64",
    by: " (QEMU)",
    prefix() {
      need(onPath(QEMU), `no ${QEMU} (package qemu-user)`, []);
      const loader = path.join(ARM64_LIBRARIES, "lib/ld-linux-aarch64.so.1");
      return need(fs.existsSync(loader), `no ${loader} (package libc6-arm64-cross)`, [
        QEMU,
        "-L",
        ARM64_LIBRARIES,
      ]);
    },
  },
  {
    target: "linux-arm64-musl",
    by: " (QEMU)",
    prefix() {
      need(onPath(QEMU), `no ${QEMU} (package qemu-user)`, []);
      return [QEMU, "-L", debianPackage("musl", "arm64")];
    },
  },
];

function need<T>(holds: boolean, why: string, value: T): T {
  if (!holds) throw new Error(why);
  return value;
}

function isGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

/** The command's beginning, or why there is none. */
function prefixOf(machine: Machine): string[] | string {
  if (noNativePrograms) return noNativePrograms;
  try {
    return machine.prefix();
  } catch (error) {
    return (error as Error).message;
  }
}

for (const machine of machines) {
  const { target, by } = machine;
  const prefix = prefixOf(machine);
  const skip = typeof prefix === "string" ? prefix : false;
  const names = posixProgramNames();
  let passed = 0;

  for (const name of names) {
    test(`${target}: test_${name}`, { skip }, async () => {
      await buildNativePrograms();
      const program = path.join(nativeProgramFolder(target), `test_${name}`);
      const ended = await run([...prefix, program], { limit: LIMIT });
      assert.equal(ended.code, 0, `${ended.signal ?? ""} ${ended.output}`);
      passed++;
    });
  }

  test(`${target}: all of them passed`, { skip }, () => {
    assert.equal(passed, names.length);
    record(target, "C tests", `${passed} of ${names.length}${by}`);
  });
}
