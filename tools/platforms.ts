// npm run platforms [-- --check]: the table of docs/platforms.md, from what the tests have recorded.
//
// Each proof that holds leaves a record in build/platforms. Without an option this writes the table;
// with --check it fails where the table says anything else than the records do.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Column, type PlatformRecord, recordFolder } from "./records.ts";
import { targets } from "./embed.mjs";
import { deno, root } from "./toolchain.mjs";

const page = path.join(root, "docs/platforms.md");
const BEGIN = "<!-- table:begin -->";
const END = "<!-- table:end -->";

const columns: readonly Column[] = ["built", "C tests", "Deno", "Bun", "Node"];

/** Runtimes that their makers don't build for a system. */
const missing: Readonly<Record<string, readonly Column[]>> = {
  "linux-x64-musl": ["Deno"],
  "linux-arm64-musl": ["Deno"],
  "freebsd-x64": ["Deno"],
  "freebsd-arm64": ["Deno"],
};

function readRecords(): PlatformRecord[] {
  if (!fs.existsSync(recordFolder)) return [];
  return fs.readdirSync(recordFolder).sort().map((file) =>
    JSON.parse(fs.readFileSync(path.join(recordFolder, file), "utf8"))
  );
}

function tableOf(records: readonly PlatformRecord[]): string[] {
  const cell = (target: string, column: Column) =>
    records.find((each) => each.target === target && each.column === column)?.text ??
      (missing[target]?.includes(column) ? "no such build" : "not run");
  return [
    `| target | ${columns.join(" | ")} |`,
    `| --- |${columns.map(() => " --- |").join("")}`,
    ...targets().map((target: string) =>
      `| ${target} | ${columns.map((column) => cell(target, column)).join(" | ")} |`
    ),
  ];
}

/** Rows of a table without the spaces that a formatter may change. */
function rowsOf(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith("|"))
    .map((line) => line.replace(/\s*\|\s*/g, "|").replace(/-+/g, "-"));
}

const { values: { check } } = parseArgs({ options: { check: { type: "boolean" } } });
const table = tableOf(readRecords());
const text = fs.readFileSync(page, "utf8");
const begin = text.indexOf(BEGIN) + BEGIN.length;
const end = text.indexOf(END);
if (end < begin) throw new Error(`${page} has no ${BEGIN} … ${END}`);

if (check) {
  const said = rowsOf(text.slice(begin, end).split("\n"));
  const seen = rowsOf(table);
  const wrong = seen.filter((row, index) => row !== said[index]);
  for (const row of wrong) {
    console.log(`docs/platforms.md: ${said[seen.indexOf(row)] ?? "no row"}\n  the tests: ${row}`);
  }
  console.log(wrong.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed");
  process.exitCode = wrong.length === 0 ? 0 : 1;
} else {
  fs.writeFileSync(page, `${text.slice(0, begin)}\n\n${table.join("\n")}\n\n${text.slice(end)}`);
  execFileSync(deno, ["fmt", "--quiet", page], { cwd: root });
}
