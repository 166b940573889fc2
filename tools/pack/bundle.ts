// The package's JavaScript: one file that is always loaded, and one for each thing that is loaded on
// demand. Loading a hundred small files is what starting would take longest for.
//
// The code keeps its names and its lines; only comments go, which are in the `.d.ts` file or concern
// those who read the sources. `msgpackr` is inside, so nothing else gets installed: its own optional
// dependency would bring an install script.

import { build, type Plugin } from "esbuild";
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

/** Bundles the sources. */
export async function bundleCode(entry = "mod.ts"): Promise<PackageFile[]> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outdir: "build/package",
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    charset: "utf8",
    // What a runtime has built in.
    external: ["bun:*", "node:*"],
    sourcemap: "linked",
    sourcesContent: false,
    logLevel: "warning",
    write: false,
    plugins: [withoutComments],
  });
  const files = outputFiles.map(({ path: file, text }) => ({
    name: path.relative(path.join(root, "build/package"), file).replaceAll(path.sep, "/"),
    text,
  }));
  return files.flatMap((file) => finish(file));
}

/** Makes maps small, and drops those of the native libraries, which nobody steps through. */
function finish({ name, text }: PackageFile): PackageFile[] {
  if (!name.endsWith(".map")) {
    const isLibrary = text.includes("src/platform/native/");
    return [{ name, text: isLibrary ? text.replace(/^\/\/# sourceMappingURL=.*\n/m, "") : text }];
  }
  const map = reduceSourceMap(JSON.parse(text), (source) => {
    const file = path.resolve(root, "build/package", path.dirname(name), source);
    return path.relative(root, file).replaceAll(path.sep, "/");
  });
  const isLibrary = map.sources.every((source) => source.startsWith("src/platform/native/"));
  return isLibrary ? [] : [{ name, text: `${JSON.stringify(map)}\n` }];
}

const withoutComments: Plugin = {
  name: "without comments",
  setup({ onLoad }) {
    onLoad({ filter: /\.[tj]s$/ }, ({ path: file }) => ({
      contents: blankComments(fs.readFileSync(file, "utf8")),
      loader: file.endsWith(".ts") ? "ts" : "js",
    }));
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
