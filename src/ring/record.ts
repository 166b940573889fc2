/**
 * The record: what rings are made of.
 *
 *     0          4      5      6          8             12           16
 *     +----------+------+------+----------+-------------+------------+---------
 *     | commit   | kind | flags| method   | correlation | extra      | payload
 *     +----------+------+------+----------+-------------+------------+---------
 *
 * `commit` is 0 until the record is whole, then the payload's length in bytes plus
 * one, written by one atomic store. So the consumer finds a record, and most of a
 * small one, with a single cache miss: there is no tail to read first. A record
 * starts at a multiple of 8 and is padded to one. Where it doesn't fit before the
 * end of the ring, a pad record (only its first 8 bytes count) fills the rest and
 * it starts at the ring's beginning. Before a record is committed, the commit word
 * behind it is set to 0: what an earlier lap left there is never taken for a record.
 *
 * @module
 */

import { CorruptSegmentError } from "../errors.ts";

/** Bytes of a record's header. */
export const RECORD_HEADER = 16;
/** Bytes that stay free in a ring: the commit word behind the last record, kept aligned. */
export const RING_GAP = 8;

/** Kinds of records. */
export const RecordKind = {
  /** Fills the end of the ring; its length is what follows its first 8 bytes. */
  pad: 0,
  /** A request; `extra` is its timeout in ms, 0 for none. */
  request: 1,
  /** The answer to the request with the same correlation id. */
  response: 2,
  /** A message that has no answer. */
  message: 3,
  /** The request with this correlation id is no longer waited for. */
  cancel: 4,
  /** A further piece of the message before. */
  piece: 5,
  /** Gives the method id `method` the name in the payload. */
  define: 6,
  /** Gives the peer's function `extra` back; `correlation` is how often it was received. */
  release: 7,
  /** Part of the stream `correlation`: bytes, or a value. */
  data: 8,
  /** No more data comes on the stream `correlation`. */
  end: 9,
  /** `extra` more may be sent on the stream `correlation`. */
  credit: 10,
  /** The reader of the stream `correlation` wants no more of it. */
  stop: 11,
  /** A larger ring is there for the records that follow: number `correlation` of this node. */
  grow: 12,
  /** The last record of this ring: the next one is in the larger ring. */
  moved: 13,
} as const;

/** Flags of records. */
export const RecordFlag = {
  /** Further pieces follow. */
  more: 1,
  /** There is no payload: not the same as an empty one. */
  nothing: 2,
  /** A response, or the end of a stream, that is an error; the payload describes it. */
  error: 4,
  /** A request that brings streams, or a response that brings streams, functions or memory. */
  references: 8,
  /** Data of a stream that went through the codec. */
  value: 16,
  /** A response that is an error: the request wasn't read, so what it brings is the caller's again. */
  unread: 32,
  /** A piece that begins an attachment of `extra` bytes. */
  attachment: 64,
} as const;

/** What a record says beside its payload. */
export interface RecordFields {
  readonly kind: number;
  readonly flags: number;
  readonly method: number;
  readonly correlation: number;
  readonly extra: number;
}

/** The fields of a record to write. One object serves one record after the other. */
export class RecordHeader implements RecordFields {
  kind = 0;
  flags = 0;
  method = 0;
  correlation = 0;
  extra = 0;

  /** Begins a record of a kind: the other fields are 0 until they are set. */
  begin(kind: number): this {
    this.kind = kind;
    this.flags = 0;
    this.method = 0;
    this.correlation = 0;
    this.extra = 0;
    return this;
  }

  /** A header with these fields; those that aren't given are 0. */
  static of(fields: Partial<RecordFields>): RecordHeader {
    return Object.assign(new RecordHeader(), fields);
  }

  /** A copy, for a record that has to wait. */
  static copy({ kind, flags, method, correlation, extra }: RecordFields): RecordHeader {
    const copy = new RecordHeader();
    copy.kind = kind;
    copy.flags = flags;
    copy.method = method;
    copy.correlation = correlation;
    copy.extra = extra;
    return copy;
  }
}

/** Is it a user's message, and not the protocol's own? Its size is then limited. */
export function isUsers(kind: number, flags: number): boolean {
  return kind <= RecordKind.message && (flags & RecordFlag.error) === 0;
}

/** Bytes that a record takes in a ring. */
export function recordBytes(payload: number): number {
  return (RECORD_HEADER + payload + 7) & ~7;
}

/**
 * Checks where an end of a ring begins, and returns it: from a position that is no
 * multiple of 8 a header could cross the ring's end.
 */
export function checkAligned(position: number): number {
  if ((position & 7) === 0) return position;
  throw new CorruptSegmentError(`a ring's position is ${position >>> 0}, no multiple of 8`);
}

/**
 * The largest payload of one record: a quarter of the ring, so that both sides
 * work at the same time while a large message passes in pieces.
 */
export function maxPayload(capacity: number): number {
  return capacity / 4 - RECORD_HEADER;
}
