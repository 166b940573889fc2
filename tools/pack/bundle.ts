// The package's JavaScript: all code in one file, since loading a hundred small ones is what would
// take longest on the way to the first call, and each native library in one of its own.
//
// The code stays readable; only comments go, which are in the `.d.ts` file or concern those who read
// the sources. `msgpackr` is inside, so nothing else gets installed: its own optional
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

const ourFiles: Plugin = {
  name: "our files",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\.\/native\/[^/]+\.ts$/ }, ({ path: file }) => ({
      path: file.replace("./native/", "./libraries/").replace(/ts$/, "js"),
      external: true,
    }));
    onLoad({ filter: /\.[tj]s$/ }, ({ path: file }) => ({
      contents: withoutComments(file, fs.readFileSync(file, "utf8")),
      loader: "js",
    }));
  },
};

/** The JavaScript of a source, with a map. The bundler alone would leave most comments in. */
function withoutComments(file: string, source: string): string {
  const compilerOptions: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    removeComments: true,
    inlineSourceMap: true,
  };
  return ts.transpileModule(source, { fileName: file, compilerOptions }).outputText;
}
