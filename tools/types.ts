// Type-checks every project (tsconfig*.json) and prints what it finds.
//
// src/platform loads its adapters by dynamic import, so each project sees the files of all runtimes,
// but knows the types of one. Each therefore answers only for the files that are its own; src/
// itself belongs to the core project, which knows no runtime's types at all. What Deno runs is
// checked by `deno check` (check.ts).

import path from "node:path";
import process from "node:process";
import ts from "typescript";
import { root } from "./toolchain.mjs";

const adapter = /^src\/platform\/(deno|bun|node|node_host)\.ts$/;

/** Which files each project answers for. */
const projects: Record<string, (file: string) => boolean> = {
  "tsconfig.core.json": (file) => /^(src\/|mod\.ts)/.test(file) && !adapter.test(file),
  "tsconfig.bun.json": (file) => file === "src/platform/bun.ts",
  "tsconfig.json": (file) =>
    !/^(src\/|mod\.ts)/.test(file) || /^src\/platform\/node(_host)?\.ts$/.test(file),
};

const host: ts.FormatDiagnosticsHost = {
  getCurrentDirectory: () => root,
  getCanonicalFileName: (file) => file,
  getNewLine: () => "\n",
};

function check(project: string, owns: (file: string) => boolean): readonly ts.Diagnostic[] {
  const parsed = ts.getParsedCommandLineOfConfigFile(path.join(root, project), {}, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.formatDiagnostic(diagnostic, host));
    },
  })!;
  const program = ts.createProgram(parsed.fileNames, parsed.options);
  const own = program.getSourceFiles().filter((source) => {
    const file = path.relative(root, source.fileName).replaceAll(path.sep, "/");
    return !file.includes("node_modules/") && owns(file);
  });
  return [
    ...parsed.errors.filter((error) => error.code !== 18003), // no files yet
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...own.flatMap((source) => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
      ...(parsed.options.declaration ? program.getDeclarationDiagnostics(source) : []),
    ]),
  ];
}

const found = Object.entries(projects).flatMap(([project, owns]) => check(project, owns));
if (found.length > 0) {
  console.log(ts.formatDiagnostics(ts.sortAndDeduplicateDiagnostics(found), host));
  process.exitCode = 1;
}
