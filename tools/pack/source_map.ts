// Source maps with a mapping where another line of the source begins instead of one per word: as much
// as a stack trace needs, in a fraction of the size.

import { decode, encode } from "@jridgewell/sourcemap-codec";

/** A source map, version 3. */
export interface SourceMap {
  version: 3;
  sources: string[];
  names: string[];
  mappings: string;
}

/** Keeps of each line where it begins and where it goes on to another line of the source. */
export function reduceSourceMap(map: SourceMap, rename: (source: string) => string): SourceMap {
  const lines = decode(map.mappings).map((segments) =>
    segments
      .filter((segment, index) => {
        const before = segments[index - 1];
        return before === undefined || before[1] !== segment[1] || before[2] !== segment[2];
      })
      .map((
        [column, source = 0, line = 0, sourceColumn = 0],
      ): [number, number, number, number] => [column, source, line, sourceColumn])
  );
  return { version: 3, sources: map.sources.map(rename), names: [], mappings: encode(lines) };
}
