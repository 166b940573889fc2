// The package.json of the npm package, from the one of the repository.

import fs from "node:fs";
import path from "node:path";
import { root } from "../toolchain.mjs";

/** What runs the package; what works on the repository needs less of Node. */
const ENGINES = { node: ">=26.1", bun: ">=1.4", deno: ">=2.9" };

/** What the two have in common is only written there. */
export function manifest(): Record<string, unknown> {
  const { name, version, description, keywords, license } = JSON.parse(
    fs.readFileSync(path.join(root, "package.json"), "utf8"),
  );
  const code = "./mod.js";
  return {
    name,
    version,
    description,
    keywords,
    license,
    type: "module",
    sideEffects: false,
    engines: ENGINES,
    exports: {
      ".": { types: "./mod.d.ts", bun: code, deno: code, node: code, default: code },
      "./package.json": "./package.json",
    },
    types: "./mod.d.ts",
    files: [
      ...["mod.js", "mod.js.map", "mod.d.ts", "libraries/"],
      ...["docs/", "CHANGELOG.md"],
    ],
  };
}
