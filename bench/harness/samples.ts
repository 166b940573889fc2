// Bytes that are sent again and again and never written after they were made: whoever holds on to
// them on the way, to copy them later, still has what was sent.

/** Samples of one size differ in every byte; calls use them in turn, so that answers are told apart. */
export const VARIANTS = 4;

const made = new Map<number, Uint8Array[]>();

/** Sample `variant` of so many bytes. */
export function sample(size: number, variant: number): Uint8Array {
  let samples = made.get(size);
  if (samples === undefined) {
    samples = Array.from({ length: VARIANTS }, (_, variant) => fill(size, variant));
    made.set(size, samples);
  }
  return samples[variant % VARIANTS]!;
}

/** The first and the last byte are the variant's number, those between follow from it. */
function fill(size: number, variant: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = i * 7 + variant;
  if (size > 0) bytes[0] = bytes[size - 1] = variant;
  return bytes;
}

/** Tells samples apart, and most of what can go wrong with one: its length, first and last byte. */
export function digest(bytes: Uint8Array): number {
  const { length } = bytes;
  return length === 0 ? 0 : length * 0x10000 + bytes[0]! * 0x100 + bytes[length - 1]!;
}

/** Is that the digest of this sample? */
export function checkDigest(seen: number, size: number, variant: number): void {
  const expected = digest(sample(size, variant));
  if (seen === expected) return;
  const words = (value: number) =>
    `${Math.floor(value / 0x10000)} B from ${(value >> 8) & 0xff} to ${value & 0xff}`;
  throw new Error(`sent ${words(expected)}, ${words(seen)} arrived`);
}

/** Is that all of this sample? */
export function checkWhole(answer: unknown, size: number, variant: number): void {
  const bytes = answer instanceof Uint8Array ? answer : new Uint8Array(0);
  checkDigest(digest(bytes), size, variant);
  const expected = sample(size, variant);
  for (let i = 0; i < size; i++) {
    if (bytes[i] !== expected[i]) throw new Error(`byte ${i} is ${bytes[i]}, not ${expected[i]}`);
  }
}
