// The slow way to find an identifier, which needs no index: read all the text.

import type { Place } from "./api.ts";
import { identifiers } from "./index.ts";

export function scan(texts: Map<string, string>, identifier: string): Place[] {
  const found: Place[] = [];
  for (const [file, text] of texts) {
    if (!text.includes(identifier)) continue;
    const lines = text.split("\n")
      .flatMap((line, index) => isIn(line, identifier) ? [index + 1] : []);
    if (lines.length > 0) found.push({ file, lines });
  }
  return found;
}

function isIn(line: string, identifier: string): boolean {
  return line.includes(identifier) && identifiers(line).includes(identifier);
}
