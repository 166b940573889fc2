// Programs for musl on a system with glibc: Debian's package `musl` has the loader and the C library,
// and the C++ library that Bun needs is taken from a Python package, which is built for musl and
// carries its own.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { foreignFolder, unpackOnce, verify } from "./foreign.ts";
import { zig } from "./toolchain.mjs";

const LOADER = "/lib/ld-musl-x86_64.so.1";

/**
 * The wheel is small and of 2024: what is newer has relocations (DT_RELR) that musl 1.2.3, Debian's,
 * passes over without a word.
 */
const WHEEL = {
  name: "greenlet",
  version: "3.1.1",
  integrity:
    "sha512-AUY21txgzum1A13y2LJrJVKnAyeDnh/gVY/2mORfYXPllE//9unnUNhE0alOKTWw4MlkHNgE1x47dIFuEYj8aw==",
};

/** Functions that are newer than that library. Both only report that something has gone wrong. */
const NEWER = `
void _ZSt28__throw_bad_array_new_lengthv(void) { __builtin_trap(); }
void _ZSt21__glibcxx_assert_failPKciS0_S0_(void) { __builtin_trap(); }
`;

/**
 * What a command for an x64 musl program begins with. Throws if the loader isn't installed or the
 * C++ library can't be had.
 */
export function muslLoader(): [string, ...string[]] {
  if (!fs.existsSync(LOADER)) throw new Error(`no ${LOADER}: install the package musl`);
  const folder = path.join(foreignFolder, `musl-libraries@${WHEEL.version}`);
  unpackOnce(folder, fill);
  const newer = path.join(folder, "newer.so");
  // By the loader's arguments, not by variables, which the processes it starts would inherit.
  return [LOADER, "--preload", newer, "--library-path", folder];
}

function fill(into: string): void {
  const wheel = download(into);
  verify(wheel, WHEEL.integrity);
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
  const target = ["-target", "x86_64-linux-musl", "-shared", "-nostdlib"];
  execFileSync(zig, ["cc", ...target, "-o", path.join(into, "newer.so"), source]);
}

function download(into: string): string {
  const options =
    "--only-binary=:all: --no-deps --platform musllinux_1_1_x86_64 --python-version 3.11";
  const what = `${WHEEL.name}==${WHEEL.version}`;
  execFileSync(
    "python3",
    ["-m", "pip", "download", "-q", "-d", into, ...options.split(" "), what],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const file = fs.readdirSync(into).find((name) => name.endsWith(".whl"));
  return path.join(into, file!);
}
