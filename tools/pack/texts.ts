// What people read in the package: the README, the changelog, and the documentation.

import fs from "node:fs";
import path from "node:path";
import { root } from "../toolchain.mjs";
import type { PackageFile } from "./bundle.ts";

/** Their names, as in the repository. */
function names(): string[] {
  const pages = fs.readdirSync(path.join(root, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", "CHANGELOG.md", ...pages.sort().map((page) => `docs/${page}`)];
}

/** The texts. A link to what isn't in the package is replaced by its text. */
export function texts(): PackageFile[] {
  const all = names();
  return all.map((name) => {
    const text = fs.readFileSync(path.join(root, name), "utf8");
    return { name, text: withoutDeadLinks(name, text, all) };
  });
}

function withoutDeadLinks(name: string, text: string, all: readonly string[]): string {
  return text.replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (link, shown: string, target: string) => {
    const [file] = target.split("#") as [string];
    if (/^[a-z]+:/.test(target) || file === "") return link;
    return all.includes(path.posix.join(path.posix.dirname(name), file)) ? link : shown;
  });
}
