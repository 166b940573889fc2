// Streams whose every 64 KiB begin with their number, and a sum over what arrives. The sum reads
// one word in 1024 bytes and the numbers: enough to see a piece that is lost, doubled, out of
// order or torn, and fast enough for 10 GB.

const BLOCK = 65_536;
const BLOCKS = 16;

/** A stream of so many bytes. `tell` is told of each chunk. */
export class NumberedStream {
  readonly readable: ReadableStream<Uint8Array>;

  constructor(total: number, tell: (done: number) => void) {
    const chunk = new Uint32Array(BLOCK * BLOCKS / 4);
    for (let i = 0; i < chunk.length; i++) chunk[i] = i & (BLOCK / 4 - 1);
    const bytes = new Uint8Array(chunk.buffer);
    let sent = 0;
    this.readable = new ReadableStream({
      pull(controller) {
        for (let i = 0; i < BLOCKS; i++) chunk[i * BLOCK / 4] = sent / BLOCK + i;
        const now = Math.min(bytes.length, total - sent);
        controller.enqueue(now === bytes.length ? bytes : bytes.subarray(0, now));
        sent += now;
        tell(sent);
        if (sent === total) controller.close();
      },
    }, { highWaterMark: 0 });
  }
}

/** Checks what arrives, in chunks of any size. */
export class Checksum {
  received = 0;
  readonly #tell: (done: number) => void;

  constructor(tell: (done: number) => void) {
    this.#tell = tell;
  }

  add(bytes: Uint8Array): void {
    const start = this.received;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const first = (1024 - start % 1024) % 1024;
    for (let at = first; at + 4 <= bytes.length; at += 1024) {
      const position = start + at;
      const inBlock = position % BLOCK;
      const expected = inBlock === 0 ? position / BLOCK : inBlock / 4;
      const word = view.getUint32(at, true);
      if (word !== expected) throw new Error(`at ${position} is ${word}, not ${expected}`);
    }
    this.received += bytes.length;
    this.#tell(this.received);
  }
}
