// The package's JavaScript: all code in one file, since loading a hundred small ones is what would
// take longest on the way to the first call, and each native library in one of its own.
//
// The code stays readable; only types and comments go, which are in the `.d.ts` file or concern those
// who read the sources.

import fs from "node:fs";
import path from "node:path";
import { type Plugin, rollup } from "rollup";
import ts from "typescript";
import { root } from "../toolchain.mjs";
import { reduceSourceMap, type SourceMap } from "./source_map.ts";

/** A file of the package. */
export interface PackageFile {
  /** Relative to the package. */
  name: string;
  text: string;
}

/** Bundles the sources. */
export async function bundleCode(entry = "mod.ts"): Promise<PackageFile[]> {
  const bundle = await rollup({
    input: path.join(root, entry),
    plugins: [ourFiles],
    onwarn({ message }) {
      throw new Error(message);
    },
  });
  const { output: [{ code, map }] } = await bundle.generate({
    format: "es",
    file: path.join(root, "build/package/mod.js"),
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  await bundle.close();
  const reduced = reduceSourceMap(map as SourceMap, (source) => {
    const file = path.resolve(root, "build/package", source);
    return path.relative(root, file).replaceAll(path.sep, "/");
  });
  return [
    { name: "mod.js", text: code },
    { name: "mod.js.map", text: `${JSON.stringify(reduced)}\n` },
    ...libraries(),
  ];
}

/** The modules of the native libraries, which keep their names. */
function libraries(): PackageFile[] {
  const folder = path.join(root, "src/platform/native");
  return fs.readdirSync(folder).filter((name) => name.endsWith(".ts")).map((name) => ({
    name: `libraries/${name.replace(/ts$/, "js")}`,
    text: compile(path.join(folder, name)).code,
  }));
}

const ourFiles: Plugin = {
  name: "our files",
  resolveId(specifier, importer) {
    const native = /^\.\/native\/([\w-]+)\.ts$/.exec(specifier);
    if (native) return { id: `./libraries/${native[1]}.js`, external: "relative" };
    if (importer === undefined) return specifier;
    if (specifier.startsWith(".")) return path.resolve(path.dirname(importer), specifier);
    throw new Error(`${importer} imports ${specifier}: the package depends on no other`);
  },
  load: compile,
};

/** Takes types and comments away. */
function compile(file: string): { code: string; map: string } {
  const compilerOptions: ts.CompilerOptions = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    removeComments: true,
    sourceMap: true,
  };
  const source = fs.readFileSync(file, "utf8");
  const { outputText, sourceMapText } = ts.transpileModule(source, {
    fileName: file,
    compilerOptions,
  });
  return { code: outputText.replace(/^\/\/# sourceMappingURL=.*$/gm, ""), map: sourceMapText! };
}
