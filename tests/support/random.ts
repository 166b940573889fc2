/**
 * Random numbers that a seed repeats. A test prints its seed when it fails.
 */
import process from "node:process";

/** The seed of this run: `CAUSEWAY_SEED`, or a fixed one, so that runs can be compared. */
export const seed = Number(process.env["CAUSEWAY_SEED"] ?? 20_240_229) >>> 0;

/** Mulberry32: small, fast, good enough to choose test cases. */
export class Random {
  #state: number;

  constructor(state: number = seed) {
    this.#state = state >>> 0;
  }

  /** 32 random bits, without sign. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * limit);
  }

  /** One of the values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32();
    return bytes;
  }
}
