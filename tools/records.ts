// What a run has shown of a platform, for the table in docs/platforms.md.

import fs from "node:fs";
import path from "node:path";
import { root } from "./toolchain.mjs";

/** The columns of the table. */
export type Column = "built" | "C tests" | "Deno" | "Bun" | "Node";

/** One cell of it. */
export interface PlatformRecord {
  /** A folder of build/native: `linux-arm64`. */
  target: string;
  column: Column;
  text: string;
}

/** Where the records of the last runs are, a file each. */
export const recordFolder: string = path.join(root, "build/platforms");

/**
 * Writes down what was seen to hold, to be called at the end of its proof. The text is part of the
 * documentation, so it must not vary from run to run: no times.
 */
export function record(target: string, column: Column, text: string): void {
  fs.mkdirSync(recordFolder, { recursive: true });
  const file = path.join(recordFolder, `${target}.${column.replaceAll(" ", "-")}.json`);
  const cell: PlatformRecord = { target, column, text };
  fs.writeFileSync(file, `${JSON.stringify(cell)}\n`);
}
