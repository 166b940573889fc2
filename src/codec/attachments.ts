/**
 * Attachments: large bytes within a value travel behind its message, each by itself. So they are
 * copied twice on the whole: from the sender's memory into the ring, and from there to memory of
 * their own, aligned, with nothing else in it.
 *
 * A payload that has some is known here by its object, so that the many that have none cost
 * nothing.
 *
 * @module
 */
import { copyBytes } from "./copy.ts";

/** Bytes of a value that are fewer than this stay within its message. */
export const LEAST_ATTACHED = 16 << 10;

type Parts = readonly Uint8Array<ArrayBuffer>[];

const attachments = new WeakMap<Uint8Array, Parts>();
/** Were there ever any in this thread? A look into the map costs as much as a small message. */
let isUsed = false;

/** Gives a payload its attachments. */
export function attach<P extends Uint8Array>(payload: P, parts: readonly Uint8Array[]): P {
  isUsed = true;
  attachments.set(payload, parts as Parts);
  return payload;
}

/** The attachments of a payload; mostly there are none. */
export function attachmentsOf(payload: Uint8Array): Parts | undefined {
  return isUsed ? attachments.get(payload) : undefined;
}

/** Bytes of a payload with its attachments. */
export function totalBytes(payload: Uint8Array | undefined): number {
  if (payload === undefined) return 0;
  return attachmentsOf(payload)?.reduce((sum, part) => sum + part.length, payload.length) ??
    payload.length;
}

/** A payload to be kept until later, with its attachments, in memory of its own. */
export function keepPayload(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const kept = copyBytes(payload);
  const parts = attachmentsOf(payload);
  return parts === undefined ? kept : attach(kept, parts.map(copyBytes));
}
