// What the two packages, of npm and of JSR, must say alike.

import fs from "node:fs";
import path from "node:path";
import { root } from "../toolchain.mjs";

/** The version, if the package descriptions and the changelog agree on it. */
export function agreedVersion(): string {
  const versions = {
    "package.json": json("package.json").version,
    "package-lock.json": json("package-lock.json").version,
    "deno.json": json("deno.json").version,
    "CHANGELOG.md": /^## \[(.+?)\]/m.exec(read("CHANGELOG.md"))?.[1],
  };
  const [version, ...others] = new Set(Object.values(versions));
  if (others.length === 0 && version !== undefined) return version;
  const list = Object.entries(versions).map(([file, each]) => `${file} ${each}`);
  throw new Error(`other versions: ${list.join(", ")}`);
}

/** Whether the changelog gives the newest version a date, so that it is ready to be released. */
export function isDated(): boolean {
  return /^## \[.+?\] – \d{4}-\d{2}-\d{2}$/m.exec(read("CHANGELOG.md"))?.index ===
    /^## \[/m.exec(read("CHANGELOG.md"))?.index;
}

function json(file: string): { version?: string } {
  return JSON.parse(read(file));
}

function read(file: string): string {
  return fs.readFileSync(path.join(root, file), "utf8");
}
