/**
 * The attachments of the value that is being encoded or decoded: see `codec/attachments.ts`.
 *
 * @module
 */
import { attach, attachmentsOf } from "../codec/attachments.ts";
import type { AttachmentTable } from "../codec/codec.ts";
import { CodecError } from "../errors.ts";
import { show } from "../options.ts";

/** Takes those of a value that is encoded. */
export class Attaching implements AttachmentTable {
  readonly #parts: Uint8Array[] = [];

  /** See {@linkcode AttachmentTable}. */
  add(bytes: Uint8Array): number {
    return this.#parts.push(bytes) - 1;
  }

  /** See {@linkcode AttachmentTable}. */
  take(index: number): never {
    throw new CodecError(`there is no attachment ${show(index)} of a value that is encoded`);
  }

  /** The payload of the value, with its attachments. */
  finish(payload: Uint8Array): Uint8Array {
    return this.#parts.length === 0 ? payload : attach(payload, this.#parts);
  }
}

/** Gives those of a message that is decoded, each once. */
class Attached implements AttachmentTable {
  readonly #parts: (Uint8Array<ArrayBuffer> | undefined)[];

  constructor(parts: readonly Uint8Array<ArrayBuffer>[]) {
    this.#parts = [...parts];
  }

  /** See {@linkcode AttachmentTable}. */
  add(): undefined {
    return undefined;
  }

  /** See {@linkcode AttachmentTable}. */
  take(index: number): Uint8Array<ArrayBuffer> {
    const part = this.#parts[index];
    if (part === undefined) {
      throw new CodecError(`the message has no attachment ${show(index)}, or it was read already`);
    }
    this.#parts[index] = undefined;
    return part;
  }
}

/** The attachments of a message; mostly there are none. */
export function attachedTo(payload: Uint8Array): AttachmentTable | undefined {
  const parts = attachmentsOf(payload);
  return parts && new Attached(parts);
}
