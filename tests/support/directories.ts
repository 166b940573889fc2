// Runtime directories of tests, and what is in them.

import fs from "node:fs";
import path from "node:path";
import process from "node:process";

/** The one that the runner of the tests made for this file. */
export function ownDirectory(): string {
  const directory = process.env["CAUSEWAY_DIR"];
  if (!directory) throw new Error("the tests' runner sets CAUSEWAY_DIR");
  return directory;
}

/** Everything in a runtime directory but its own folders (`nodes`, `channel`, …). */
export function filesIn(directory = ownDirectory()): string[] {
  return entriesOf(directory).flatMap(([name, isDirectory]) =>
    isDirectory ? entriesBelow(directory, name) : [name]
  );
}

/** What a folder holds at any depth. Not by `recursive`: under Wine, Bun goes one level deep. */
function entriesBelow(directory: string, folder: string): string[] {
  return entriesOf(path.join(directory, folder)).flatMap(([name, isDirectory]) => {
    const entry = `${folder}/${name}`;
    return isDirectory ? [entry, ...entriesBelow(directory, entry)] : [entry];
  });
}

/** None if there is no such folder, or if it has just been removed. */
function entriesOf(folder: string): [name: string, isDirectory: boolean][] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true })
      .map((entry) => [entry.name, entry.isDirectory()]);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  }
}

let folders = 0;

/** A runtime directory of its own for a test, below the one of the file. */
export function newDirectory(): string {
  return fs.mkdtempSync(path.join(ownDirectory(), `${++folders}-`));
}

/** Removes a test's directory, which must be empty but for the runtime directory's own folders. */
export function removeDirectory(directory: string): void {
  if (!fs.existsSync(directory)) return;
  for (const folder of fs.readdirSync(directory)) fs.rmdirSync(path.join(directory, folder));
  fs.rmdirSync(directory);
}
