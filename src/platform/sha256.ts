/**
 * SHA-256 (FIPS 180-4), for 20 KB on the way to the first call: in Node, loading the module that
 * has it natively takes three times as long as this.
 *
 * @module
 */

/** The first 32 bits of the fractional parts of the cube and square roots of the first primes. */
function constants(): { rounds: Int32Array; start: Int32Array } {
  const rounds = new Int32Array(64);
  const start = new Int32Array(8);
  const primes: number[] = [];
  for (let number = 2; primes.length < 64; number++) {
    if (primes.some((prime) => number % prime === 0)) continue;
    if (primes.length < 8) start[primes.length] = (Math.sqrt(number) % 1) * 2 ** 32;
    rounds[primes.length] = (Math.cbrt(number) % 1) * 2 ** 32;
    primes.push(number);
  }
  return { rounds, start };
}

/** The bytes, a bit that is 1, zeros, and the number of bits, in blocks of 64 bytes. */
function padded(bytes: Uint8Array): DataView {
  const length = Math.ceil((bytes.length + 9) / 64) * 64;
  const blocks = new Uint8Array(length);
  blocks.set(bytes);
  blocks[bytes.length] = 0x80;
  const view = new DataView(blocks.buffer);
  view.setBigUint64(length - 8, BigInt(bytes.length) * 8n);
  return view;
}

/** SHA-256 of the bytes, in hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  const { rounds, start: state } = constants();
  const blocks = padded(bytes);
  const words = new Int32Array(64);
  for (let at = 0; at < blocks.byteLength; at += 64) {
    expand(words, blocks, at);
    digestBlock(state, rounds, words);
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

function digestBlock(state: Int32Array, rounds: Int32Array, words: Int32Array): void {
  let a = state[0]!, b = state[1]!, c = state[2]!, d = state[3]!;
  let e = state[4]!, f = state[5]!, g = state[6]!, h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const high = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const one = (h + high + (e & f ^ ~e & g) + rounds[i]! + words[i]!) | 0;
    const low = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const two = (low + (a & b ^ a & c ^ b & c)) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

/** The 64 words of a block: 16 of its own, each further one made from those before. */
function expand(words: Int32Array, blocks: DataView, at: number): void {
  for (let i = 0; i < 16; i++) words[i] = blocks.getInt32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const x = words[i - 15]!;
    const y = words[i - 2]!;
    const low = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
    const high = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
    words[i] = words[i - 16]! + low + words[i - 7]! + high;
  }
}
