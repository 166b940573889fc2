// What is written for users: the pages of the documentation, and the examples in doc comments.

import fs from "node:fs";
import path from "node:path";
import { root } from "../../tools/toolchain.mjs";

/** Every page, by its path from the root of the repository. */
export const pages: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...filesOf("docs/*.md"),
].filter((page) => fs.existsSync(path.join(root, page)));

/** The files that match, from the root of the repository, with slashes. */
export function filesOf(pattern: string): string[] {
  return fs.globSync(pattern, { cwd: root }).map((file) => file.replaceAll("\\", "/")).sort();
}

export function textOf(file: string): string {
  return fs.readFileSync(path.join(root, file), "utf8").replaceAll("\r\n", "\n");
}

/** A fenced block of TypeScript. */
export interface Example {
  file: string;
  /** Of its fence. */
  line: number;
  code: string;
  /** It is marked `ts ignore`: it needs what stands around it. */
  isFragment: boolean;
}

const FENCED = /^```ts( ignore)?\n(.*?)^```$/gms;
/** Programs that have an output to compare with, see tests/docs/readme.test.ts. */
const MARKED = /<!-- (run|install): .*-->\s+$|<!-- (run|install) \S+: \S+ -->\s+$/;

/** The examples of a page that aren't run as programs with an output. */
export function examplesOfPage(file: string): Example[] {
  const text = textOf(file);
  return [...text.matchAll(FENCED)]
    .filter(({ index }) => !MARKED.test(text.slice(0, index)))
    .map((match) => exampleOf(file, text, match));
}

/** The examples in the doc comments of a source file. */
export function examplesOfSource(file: string): Example[] {
  // Without what makes it a comment; lines stay where they are.
  const text = textOf(file).replace(/^ *\* ?/gm, "");
  return [...text.matchAll(FENCED)].map((match) => exampleOf(file, text, match));
}

function exampleOf(file: string, text: string, match: RegExpExecArray): Example {
  const [, ignore, code] = match;
  const line = text.slice(0, match.index).split("\n").length;
  return { file, line, code: code!, isFragment: ignore !== undefined };
}
