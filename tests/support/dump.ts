/**
 * Memory as text, for golden files: 16 bytes a line with their offset and what they
 * are in ASCII; lines of zeros are left out.
 */

/** Bytes as text. */
export function toDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = bytes.subarray(at, at + 16);
    if (line.every((byte) => byte === 0)) continue;
    const offset = at.toString(16).padStart(5, "0");
    const hex = Array.from(line, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = Array.from(line, (byte) => byte >= 0x20 && byte < 0x7f ? byte : 0x2e);
    lines.push(`${offset}  ${hex}  ${String.fromCharCode(...ascii)}`);
  }
  lines.push(bytes.length.toString(16).padStart(5, "0"));
  return `${lines.join("\n")}\n`;
}

/** Text made by {@linkcode toDump} as bytes. */
export function fromDump(dump: string): Uint8Array<ArrayBuffer> {
  const lines = dump.trimEnd().split("\n");
  const bytes = new Uint8Array(parseInt(lines.pop()!, 16));
  for (const line of lines) {
    const at = parseInt(line.slice(0, 5), 16);
    const hex = line.slice(7, 7 + 16 * 3 - 1).split(" ");
    bytes.set(hex.map((byte) => parseInt(byte, 16)), at);
  }
  return bytes;
}
