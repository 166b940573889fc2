// The commands of those who check npm packages for what confuses runtimes and type checkers.

import { node } from "../toolchain.mjs";

/** For a package: the folder that was packed, and the packed file. */
export function lintCommands(folder: string, file: string): { publint: string[]; attw: string[] } {
  const attw = "node_modules/@arethetypeswrong/cli/dist/index.js";
  return {
    publint: [node, "node_modules/publint/src/cli.js", folder, "--strict"],
    attw: [node, attw, file, "--profile", "esm-only"],
  };
}
