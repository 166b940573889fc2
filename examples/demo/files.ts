// The text: the type-declaration files that setting this project up has installed.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** Their paths below node_modules. */
export function listFiles(): string[] {
  return fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".d.ts")).sort();
}

export function readFile(file: string): Uint8Array {
  return new Uint8Array(fs.readFileSync(path.join(folder, file)));
}
