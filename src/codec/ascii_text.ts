/**
 * Short ASCII texts, for which a call of a TextDecoder costs more than the text does.
 *
 * @module
 */

/** The text that these bytes are; undefined if one of them isn't ASCII. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let i = start;
  // Several at a time make fewer strings on the way.
  for (; i + 8 <= end; i += 8) {
    const a = bytes[i]!, b = bytes[i + 1]!, c = bytes[i + 2]!, d = bytes[i + 3]!;
    const e = bytes[i + 4]!, f = bytes[i + 5]!, g = bytes[i + 6]!, h = bytes[i + 7]!;
    if ((a | b | c | d | e | f | g | h) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; i + 4 <= end; i += 4) {
    const a = bytes[i]!, b = bytes[i + 1]!, c = bytes[i + 2]!, d = bytes[i + 3]!;
    if ((a | b | c | d) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d);
  }
  const rest = end - i;
  if (rest === 0) return text;
  const a = bytes[i]!, b = rest > 1 ? bytes[i + 1]! : 0, c = rest > 2 ? bytes[i + 2]! : 0;
  if ((a | b | c) >= 0x80) return undefined;
  if (rest === 1) return text + String.fromCharCode(a);
  return text + (rest === 2 ? String.fromCharCode(a, b) : String.fromCharCode(a, b, c));
}
