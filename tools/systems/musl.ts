// Programs for musl on a system with glibc: Debian's package `musl` has the loader and the C library,
// and the C++ library that Bun needs is taken from a Python package, which is built for musl and
// carries its own.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { debianPackage } from "./debian.ts";
import { foreignFolder, unpackOnce, verify } from "./foreign.ts";
import { zig } from "../toolchain.mjs";

interface Processor {
  /** The folder in which Debian's package lies. */
  system(): string;
  /** The loader in it. */
  loader: string;
  /** What the loader's command begins with. */
  emulator(system: string): string[];
  /** As Python and Zig call it. */
  name: string;
  /** The wheel's hash. */
  integrity: string;
}

const PROCESSORS = {
  x64: {
    system: () => "/",
    loader: "lib/ld-musl-x86_64.so.1",
    emulator: () => [],
    name: "x86_64",
    integrity:
      "sha512-AUY21txgzum1A13y2LJrJVKnAyeDnh/gVY/2mORfYXPllE//9unnUNhE0alOKTWw4MlkHNgE1x47dIFuEYj8aw==",
  },
  arm64: {
    system: () => debianPackage("musl", "arm64"),
    loader: "lib/ld-musl-aarch64.so.1",
    emulator: (system) => ["qemu-aarch64", "-L", system],
    name: "aarch64",
    integrity:
      "sha512-bUmArxr8hdPhpr0xrBrcz0t70zASOGZ1VOICP7hfpdl+PI5H5e3Ho5/zTR7mMWyJSEDwnvCy/7nwaRK8TImHoA==",
  },
} satisfies Record<string, Processor>;

/**
 * The wheel is small and old: what is newer has relocations (DT_RELR) that musl 1.2.3, Debian's,
 * passes over without a word.
 */
const WHEEL = { name: "greenlet", version: "3.1.1" };

/** Functions that are newer than that library. Both only report that something has gone wrong. */
const NEWER = `
void _ZSt28__throw_bad_array_new_lengthv(void) { __builtin_trap(); }
void _ZSt21__glibcxx_assert_failPKciS0_S0_(void) { __builtin_trap(); }
`;

/**
 * What a command for a musl program begins with. Throws if the loader isn't installed or the C++
 * library can't be had.
 */
export function muslLoader(which: keyof typeof PROCESSORS): [string, ...string[]] {
  const processor: Processor = PROCESSORS[which];
  const system = processor.system();
  const loader = path.join(system, processor.loader);
  if (!fs.existsSync(loader)) throw new Error(`no ${loader} (package musl)`);
  const folder = path.join(foreignFolder, `musl-libraries-${which}`);
  unpackOnce(folder, (into) => fill(into, processor));
  const newer = path.join(folder, "newer.so");
  // By the loader's arguments, not by variables, which the processes it starts would inherit.
  const command = [loader, "--preload", newer, "--library-path", folder];
  return [...processor.emulator(system), ...command] as [string, ...string[]];
}

function fill(into: string, { name: processor, integrity }: Processor): void {
  const wheel = download(into, `musllinux_1_1_${processor}`);
  verify(wheel, integrity);
  execFileSync("python3", ["-m", "zipfile", "-e", wheel, path.join(into, "wheel")]);
  const libraries = path.join(into, "wheel", `${WHEEL.name}.libs`);
  for (const name of fs.readdirSync(libraries)) {
    fs.renameSync(path.join(libraries, name), path.join(into, name));
    // libstdc++-a9383cce.so.6.0.28 is known as libstdc++.so.6
    const [, base, version] = /^(.+)-[0-9a-f]+(\.so\.\d+)/.exec(name) ?? [];
    if (base !== undefined) fs.symlinkSync(name, path.join(into, `${base}${version}`));
  }
  fs.rmSync(path.join(into, "wheel"), { recursive: true });
  fs.rmSync(wheel);

  const source = path.join(into, "newer.c");
  fs.writeFileSync(source, NEWER);
  const target = ["-target", `${processor}-linux-musl`, "-shared", "-nostdlib"];
  execFileSync(zig, ["cc", ...target, "-o", path.join(into, "newer.so"), source]);
}

function download(into: string, platform: string): string {
  const options = `--only-binary=:all: --no-deps --platform ${platform} --python-version 3.11`;
  const command = ["-m", "pip", "download", "-q", "-d", into, ...options.split(" ")];
  execFileSync("python3", [...command, `${WHEEL.name}==${WHEEL.version}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const file = fs.readdirSync(into).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new Error(`pip brought no ${WHEEL.name} for ${platform}`);
  return path.join(into, file);
}
