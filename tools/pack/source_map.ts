// Source maps with one mapping per line instead of one per word: as much as a stack trace needs, in a
// fifth of the size.

/** A source map, version 3. */
export interface SourceMap {
  version: 3;
  sources: string[];
  names: string[];
  mappings: string;
}

/** Column, source, line and column in there: all from 0. */
type Segment = [column: number, source: number, line: number, sourceColumn: number];

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Keeps of each line where it begins and where it goes on to another line of the source. */
export function reduceSourceMap(map: SourceMap, rename: (source: string) => string): SourceMap {
  const lines = decode(map.mappings).map((segments) =>
    segments.filter(([, source, line], index) => {
      const before = segments[index - 1];
      return before === undefined || before[1] !== source || before[2] !== line;
    })
  );
  return { version: 3, sources: map.sources.map(rename), names: [], mappings: encode(lines) };
}

function decode(mappings: string): Segment[][] {
  let source = 0, line = 0, sourceColumn = 0;
  return mappings.split(";").map((text) => {
    let column = 0;
    return text.split(",").filter((part) => part !== "").flatMap((part): Segment[] => {
      const numbers = decodeNumbers(part);
      column += numbers[0]!;
      if (numbers.length < 4) return [];
      source += numbers[1]!;
      line += numbers[2]!;
      sourceColumn += numbers[3]!;
      return [[column, source, line, sourceColumn]];
    });
  });
}

function encode(lines: Segment[][]): string {
  let before: Segment = [0, 0, 0, 0];
  return lines.map((segments) => {
    before = [0, before[1], before[2], before[3]];
    return segments.map((segment) => {
      const text = segment.map((value, index) => encodeNumber(value - before[index]!)).join("");
      before = segment;
      return text;
    }).join(",");
  }).join(";");
}

/** Base 64, 5 bits a digit, lowest first; 32 says that more follow, the lowest bit is the sign. */
function decodeNumbers(text: string): number[] {
  const numbers: number[] = [];
  let value = 0, shift = 0;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit >= 32) continue;
    numbers.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return numbers;
}

function encodeNumber(number: number): string {
  let rest = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = "";
  do {
    const digit = rest & 31;
    rest >>>= 5;
    text += DIGITS[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return text;
}
