// Turns what `zig build` made into the modules of src/platform/native/ that src/platform/embedded.ts
// imports. A target that isn't built gets a module that says so.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { constants, deflateRawSync } from "node:zlib";
import { root } from "./toolchain.mjs";

const folder = path.join(root, "src/platform/native");

/** Brings the modules up to date. */
export function embed() {
  fs.mkdirSync(folder, { recursive: true });
  for (const target of targets()) {
    const file = path.join(folder, `${target}.ts`);
    const text = moduleOf(target, libraryOf(target));
    if (fs.existsSync(file) && fs.readFileSync(file, "utf8") === text) continue;
    // At once: a program that starts at this moment must not see half of it.
    fs.writeFileSync(`${file}.${process.pid}`, text);
    fs.renameSync(`${file}.${process.pid}`, file);
  }
}

/**
 * The names of all targets, from the one list of them.
 *
 * @returns {string[]}
 */
export function targets() {
  const list = fs.readFileSync(path.join(root, "src/platform/embedded.ts"), "utf8");
  return [...list.matchAll(/import\("\.\/native\/(.+)\.ts"\)/g)].map((match) => String(match[1]));
}

function libraryOf(target) {
  const built = path.join(root, "build/native", target);
  const [name] = fs.existsSync(built) ? fs.readdirSync(built) : [];
  return name && fs.readFileSync(path.join(built, name));
}

/**
 * Linux loads its library from memory, each time anew: what needn't be inflated is there in a tenth
 * of the time, and hexadecimal digits compress nearly as well in the package. Elsewhere it becomes a
 * file once, and small modules are worth more.
 */
function encode(target, library) {
  if (target.startsWith("linux-")) return { encoding: "hex", data: library.toString("hex") };
  const deflated = deflateRawSync(library, { level: constants.Z_BEST_COMPRESSION, memLevel: 9 });
  return { encoding: "deflate", data: deflated.toString("base64") };
}

function moduleOf(target, library) {
  const sha256 = library ? createHash("sha256").update(library).digest("hex") : "";
  const { encoding, data } = encode(target, library ?? Buffer.alloc(0));
  return `// deno-fmt-ignore-file
// deno-lint-ignore-file
/**
 * A native library, made from csrc/ by tools/embed.mjs.
 *
 * @module
 */

/** SHA-256 of the library, in hexadecimal. */
export const sha256: string = "${sha256}";

/** "hex": hexadecimal; "deflate": deflated, in base64. */
export const encoding: "hex" | "deflate" = "${encoding}";

/** The library. */
export const data: string =
  "${data}";
`;
}
