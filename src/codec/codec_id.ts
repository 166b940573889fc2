/**
 * Numbers that stand for codecs in shared memory.
 *
 * @module
 */

const CODECS = ["bytes", "json", "messagepack"];

/** A number that stands for a codec in shared memory: FNV-1a of its name; 0 for bytes. */
export function codecId(name: string): number {
  if (name === "bytes") return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash;
}

/** The name of a codec's number, for messages. */
export function codecName(id: number): string {
  return CODECS.find((name) => codecId(name) === id) ?? `#${id.toString(16)}`;
}
