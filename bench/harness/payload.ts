// Payloads that can be checked: a number at either end, and a pattern that depends on it between.

/** Every so many messages all bytes are checked, of the others the number at both ends. */
const THOROUGH = 1024;

/** A payload that is given a new number before it is sent. */
export class Payload {
  readonly bytes: Uint8Array<ArrayBuffer>;
  #number = 0;

  constructor(size: number) {
    this.bytes = Uint8Array.from({ length: size }, (_, index) => index * 7);
  }

  next(): Uint8Array<ArrayBuffer> {
    number(this.bytes, this.#number = (this.#number + 1) >>> 0);
    return this.bytes;
  }

  /** Is that the last one, come back? */
  checkEcho = (answer: Uint8Array | undefined): void => {
    if (answer?.length !== this.bytes.length) {
      throw new Error(`sent ${this.bytes.length} bytes, ${answer?.length} came back`);
    }
    checkNumber(answer, this.#number);
  };
}

/** Counts what arrives, and checks that it is what {@linkcode Payload} made, in order. */
export class Tally {
  #received = 0;
  #last = 0;

  add(bytes: Uint8Array): void {
    this.#received++;
    this.#last = (this.#last + 1) >>> 0;
    checkNumber(bytes, this.#last);
    if (this.#received % THOROUGH === 0) checkPattern(bytes);
  }

  /** How many since the last time, as a message. */
  report(): Uint8Array {
    const text = String(this.#received);
    this.#received = 0;
    return new TextEncoder().encode(text);
  }

  static read(report: Uint8Array | undefined): number {
    return Number(new TextDecoder().decode(report));
  }
}

function number(bytes: Uint8Array, value: number): void {
  for (let i = 0; i < 4 && i < bytes.length; i++) {
    const byte = value >>> (8 * i);
    bytes[i] = byte;
    bytes[bytes.length - 1 - i] = byte;
  }
}

function checkNumber(bytes: Uint8Array, value: number): void {
  for (let i = 0; i < 4 && i < bytes.length; i++) {
    const byte = (value >>> (8 * i)) & 0xff;
    if (bytes.length >= 8 && bytes[i] !== byte || bytes[bytes.length - 1 - i] !== byte) {
      throw new Error(`message ${value} is wrong: ${bytes.subarray(0, 8)} …`);
    }
  }
}

function checkPattern(bytes: Uint8Array): void {
  for (let i = 4; i < bytes.length - 4; i++) {
    if (bytes[i] !== ((i * 7) & 0xff)) throw new Error(`byte ${i} is ${bytes[i]}`);
  }
}
