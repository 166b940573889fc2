// What the documentation refers to is there: the targets of links, and the files that it names.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "../../tools/toolchain.mjs";
import { filesOf, pages, textOf } from "../support/documents.ts";

/** The anchor that a heading gets on GitHub. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

/** Without blocks of code, in which nothing is a link or a heading. */
function proseOf(page: string): string {
  return textOf(page).replace(/^```.*?^```$/gms, "");
}

function linksIn(page: string): string[] {
  const prose = proseOf(page).replace(/`[^`\n]+`(?!\])/g, ""); // code that looks like a link
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
}

function anchorsOf(page: string): Set<string> {
  const headings = proseOf(page).matchAll(/^#+ (.*)$/gm);
  return new Set([...headings].map(([, heading]) => anchorOf(heading!)));
}

function brokenLinks(page: string): string[] {
  return linksIn(page).filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [target, anchor] = link.split("#") as [string, string?];
    const file = target === "" ? page : path.posix.join(path.posix.dirname(page), target);
    if (!fs.existsSync(path.join(root, file))) return true;
    return anchor !== undefined && file.endsWith(".md") && !anchorsOf(file).has(anchor);
  });
}

const sources = filesOf("{src,csrc,tests,tools,bench,examples,docs}/**/*.*");
const names = new Set([...sources, ...filesOf("*.*")].map((file) => path.posix.basename(file)));
const FILE =
  /`([\w./*{},-]+\.(?:ts|mjs|c|h|S|pml|zig|md|json|txt)|(?:src|csrc|tests|tools)\/[\w./-]*)`/g;
/** What programs of users have, and what a package or a build holds. */
const NOT_OURS = /^(\.|node_modules\/|build\/)|^(hello\.ts|mod\.d\.ts|libraries\.json)$/;

/** Files that are named and aren't there: by path, or by name alone. */
function missingFiles(page: string): string[] {
  return [...proseOf(page).matchAll(FILE)].map(([, file]) => file!).filter((file) => {
    if (NOT_OURS.test(file)) return false;
    if (!file.includes("/")) return !names.has(file);
    return filesOf(file).length === 0 && !sources.some((source) => source.endsWith(`/${file}`));
  });
}

for (const page of pages) {
  test(`${page}: its links lead somewhere`, () => {
    assert.deepEqual(brokenLinks(page), []);
  });

  test(`${page}: the files that it names are there`, () => {
    assert.deepEqual(missingFiles(page), []);
  });
}

test("docs/features.md: the tests that it names are there", () => {
  const rows = textOf("docs/features.md").split("\n").filter((line) => line.startsWith("|"));
  const named = rows.flatMap((row) =>
    [...row.matchAll(/`([a-z]+\/[a-z_]+)`/g)].map(([, name]) => name!)
  );
  assert.ok(named.length > 50);
  const missing = named.filter((name) =>
    [`tests/${name}.test.ts`, `tests/${name}.c`, `${name}.ts`].every((file) =>
      !fs.existsSync(path.join(root, file))
    )
  );
  assert.deepEqual(missing, []);
});
