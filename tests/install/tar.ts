// Reads tar archives as npm and Deno write them: plain files, and long names in the ways of GNU
// and POSIX. Everything else is an error, so that nothing is left out silently.

const BLOCK = 512;

/** The files of an archive by their paths, which never begin with `/`. */
export function readTar(archive: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const files = new Map<string, Buffer>();
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const size = parseInt(text(header, 124, 12).trim() || "0", 8);
    const content = bytes.subarray(at + BLOCK, at + BLOCK + size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    switch (text(header, 156, 1)) {
      case "":
      case "0":
        files.set((longName ?? nameIn(header)).replace(/^\.?\//, ""), Buffer.from(content));
        longName = undefined;
        break;
      case "5": // a folder
        break;
      case "L": // GNU: the next entry's name
        longName = text(content, 0, size);
        break;
      case "x": // POSIX: attributes of the next entry
        longName = /\d+ path=(.*)\n/.exec(content.toString("utf8"))?.[1] ?? longName;
        break;
      case "g": // attributes of all entries: only a comment of git's
        break;
      default:
        throw new Error(`${nameIn(header)}: an entry of type "${text(header, 156, 1)}"`);
    }
  }
  return files;
}

function nameIn(header: Buffer): string {
  const prefix = text(header, 257, 5) === "ustar" ? text(header, 345, 155) : "";
  return `${prefix ? `${prefix}/` : ""}${text(header, 0, 100)}`;
}

/** The text up to the first NUL. */
function text(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}
