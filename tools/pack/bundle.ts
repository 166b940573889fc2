// The package's JavaScript: all code in one file, since loading a hundred small ones is what would
// take longest on the way to the first call, and each native library in one of its own.
//
// The code keeps its names and its lines; only comments go, which are in the `.d.ts` file or concern
// those who read the sources. `msgpackr` is inside, so nothing else gets installed: its own optional
// dependency would bring an install script.

import { build, type BuildOptions, type OutputFile, type Plugin } from "esbuild";
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import { root } from "../toolchain.mjs";
import { reduceSourceMap } from "./source_map.ts";

/** A file of the package. */
export interface PackageFile {
  /** Relative to the package. */
  name: string;
  text: string;
}

/** What both bundles have in common. */
const options = {
  absWorkingDir: root,
  outdir: "build/package",
  bundle: true,
  format: "esm",
  platform: "neutral",
  target: "es2024",
  // One letter beyond would double the memory of the text in every runtime, and the time to read it.
  charset: "ascii",
  logLevel: "warning",
  write: false,
} satisfies BuildOptions;

/** Bundles the sources. */
export async function bundleCode(entry = "mod.ts"): Promise<PackageFile[]> {
  const { outputFiles } = await build({
    ...options,
    entryPoints: [entry],
    sourcemap: "linked",
    sourcesContent: false,
    plugins: [ourFiles],
  });
  return [...outputFiles.map(finish), ...await bundleLibraries()];
}

/** The modules of the native libraries, which keep their names. */
async function bundleLibraries(): Promise<PackageFile[]> {
  const folder = "src/platform/native";
  const names = fs.readdirSync(path.join(root, folder)).filter((name) => name.endsWith(".ts"));
  const { outputFiles } = await build({
    ...options,
    entryPoints: names.map((name) => `${folder}/${name}`),
    outdir: "build/package/libraries",
  });
  return outputFiles.map(finish);
}

/** Names a file as it is called in the package, and makes maps small. */
function finish({ path: file, text }: OutputFile): PackageFile {
  const folder = path.join(root, "build/package");
  const name = path.relative(folder, file).replaceAll(path.sep, "/");
  if (!name.endsWith(".map")) return { name, text };
  const map = reduceSourceMap(JSON.parse(text), (source) => {
    return path.relative(root, path.resolve(folder, source)).replaceAll(path.sep, "/");
  });
  return { name, text: `${JSON.stringify(map)}\n` };
}

/** Where msgpackr compares with Node's Buffer what might be one, and how that is seen by its name. */
const BUFFER_TESTS: [string, string][] = [
  ["constructor !== ByteArray", 'constructor.name !== "Buffer"'],
  ["value.toJSON !== bufferToJSON", 'value.constructor?.name !== "Buffer"'],
];

/**
 * Keeps msgpackr from looking whether Deno has a Buffer, which makes Deno load its version of
 * Node's: that takes 8 ms.
 */
function withoutBufferInDeno(file: string, code: string): string {
  let told = 'const Buffer = typeof Deno === "undefined" ? globalThis.Buffer : undefined;' + code;
  if (path.basename(file) !== "pack.js") return told;
  for (const [test, byName] of BUFFER_TESTS) {
    if (told.split(test).length !== 2) throw new Error(`msgpackr has changed: no ${test}`);
    told = told.replace(test, byName);
  }
  return told;
}

const ourFiles: Plugin = {
  name: "our files",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\.\/native\/[^/]+\.ts$/ }, ({ path: file }) => ({
      path: file.replace("./native/", "./libraries/").replace(/ts$/, "js"),
      external: true,
    }));
    onLoad({ filter: /\.[tj]s$/ }, ({ path: file }) => {
      const code = blankComments(fs.readFileSync(file, "utf8"));
      const isMessagePack = /node_modules.msgpackr./.test(file);
      return {
        contents: isMessagePack ? withoutBufferInDeno(file, code) : code,
        loader: file.endsWith(".ts") ? "ts" : "js",
      };
    });
  },
};

/** Puts spaces in place of comments, so that everything else stays where it is. */
export function blankComments(text: string): string {
  const source = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, true);
  const comments = new Map<number, number>();
  const visit = (node: ts.Node): void => {
    if (ts.isJSDoc(node)) return;
    const children = node.getChildren(source);
    children.forEach(visit);
    if (children.length > 0) return;
    const found = [
      ...ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [],
      ...ts.getTrailingCommentRanges(text, node.getEnd()) ?? [],
    ];
    for (const { pos, end } of found) comments.set(pos, end);
  };
  visit(source);
  const parts: string[] = [];
  let at = 0;
  for (const [start, end] of [...comments].sort(([a], [b]) => a - b)) {
    const comment = text.slice(start, end);
    const matters = /[@#]__|@license|@preserve|^\/[*/]!/.test(comment);
    parts.push(text.slice(at, start), matters ? comment : comment.replace(/[^\n]/g, " "));
    at = end;
  }
  return parts.join("") + text.slice(at);
}
