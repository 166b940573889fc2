/**
 * A segment: a file that is mapped into memory.
 *
 * Guarantees: its size is reserved when it is made, so touching it never faults;
 * magic, version, kind and size are checked when it is opened; closing detaches
 * every view first, so use after close is an exception and never a crash.
 * Guarantees nothing about the words inside: their reader checks them.
 *
 * @module
 */
import type { Address, Binding } from "../platform/binding.ts";
import { Status } from "../platform/binding.ts";
import {
  CorruptSegmentError,
  KindMismatchError,
  NoSpaceError,
  VersionMismatchError,
} from "../errors.ts";
import { nativePath } from "./directory.ts";
import { Header, kindName, LAYOUT_VERSION, MAGIC, PAGE } from "./layout.ts";
import type { Kind } from "./layout.ts";
import { randomBytes, readNodeId, writeNodeId } from "./names.ts";
import { statusError } from "./status.ts";

/** What a new segment starts with. */
export interface SegmentParameters {
  readonly kind: Kind;
  readonly pages: number;
  /** Id of the node that makes it. */
  readonly creator: string;
  readonly capacity?: number;
  readonly codec?: number;
  /** How many bytes from the start to view; default all. See {@linkcode Segment.view}. */
  readonly viewed?: number;
}

/** A mapped file. */
export class Segment {
  /** All bytes, or those that were to be viewed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same as words, for Atomics. */
  readonly words: Int32Array<ArrayBuffer>;
  /** Where it is mapped, for the shim's calls on words. */
  readonly address: Address;
  /** The shim's own record of it. */
  readonly native: BigUint64Array<ArrayBuffer>;
  /** Bytes that are mapped. */
  readonly size: number;
  /** Where it was made or opened; a rename doesn't change it. */
  readonly path: string;
  readonly #binding: Binding;
  #mapped = true;

  private constructor(
    binding: Binding,
    path: string,
    native: BigUint64Array<ArrayBuffer>,
    viewed: number | undefined,
  ) {
    this.#binding = binding;
    this.path = path;
    this.native = native;
    const [base, size] = native as unknown as [bigint, bigint];
    this.size = Number(size);
    const buffer = binding.view(base, Math.min(this.size, viewed ?? this.size));
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.address = binding.address(base);
  }

  /**
   * Makes a segment and writes its header. `undefined` when the directory is
   * gone; {@linkcode NoSpaceError} when the file system can't hold it.
   */
  static create(
    binding: Binding,
    path: string,
    parameters: SegmentParameters,
  ): Segment | undefined {
    const { shim } = binding;
    const native = new BigUint64Array(3);
    const status = shim.cw_segment_create(nativePath(path), parameters.pages, native);
    if (status === Status.notFound) return undefined;
    if (status === Status.noSpace) throw noSpace(binding, path, parameters.pages * PAGE);
    if (status < 0) throw statusError(shim, status, "create the segment", path);
    const segment = new Segment(binding, path, native, parameters.viewed);
    writeHeader(segment, parameters, randomBytes(shim, 16));
    return segment;
  }

  /**
   * Opens a segment of the given kind, and views so many bytes of it (default: all);
   * `undefined` if it doesn't exist, or no file of ours can have that name: others may have put
   * a directory there.
   */
  static open(
    binding: Binding,
    path: string,
    kind: Kind,
    viewed?: number,
  ): Segment | undefined {
    const { shim } = binding;
    const native = new BigUint64Array(3);
    const status = shim.cw_segment_open(nativePath(path), native);
    if (status === Status.notFound || status === Status.type) return undefined;
    if (status < 0) throw statusError(shim, status, "open the segment", path);
    const segment = new Segment(binding, path, native, viewed);
    try {
      checkHeader(segment, kind);
    } catch (error) {
      segment.close();
      throw error;
    }
    return segment;
  }

  /**
   * Whether a process holds the lease of the file at `path`, whatever is in it;
   * `undefined` if there is no such file, or none that could be a segment of ours.
   * Throws where the system is too short of something to look: that proves nothing.
   */
  static probeLease(binding: Binding, path: string): boolean | undefined {
    const { shim } = binding;
    const native = new BigUint64Array(3);
    const status = shim.cw_segment_open(nativePath(path), native);
    if (status === Status.limit || status === Status.system) {
      throw statusError(shim, status, "look at", path);
    }
    if (status < 0) return undefined;
    const held = shim.cw_lease_test(native);
    shim.cw_segment_close(native);
    return held !== 0;
  }

  /** Is it still mapped? */
  get mapped(): boolean {
    return this.#mapped;
  }

  /**
   * One more view of a part, over memory that the views of this segment may share. The
   * caller detaches it before the segment is closed.
   *
   * @throws {RangeError} The runtime has no buffers of that size.
   */
  view(offset: number, bytes: number): ArrayBuffer {
    if (!this.#mapped || offset + bytes > this.size) {
      throw new RangeError(`${this.path} has no ${bytes} bytes at ${offset}`);
    }
    return this.#binding.view(this.native[0]! + BigInt(offset), bytes);
  }

  /** What it is a segment of. */
  get kind(): Kind {
    return this.u32(Header.kind) as Kind;
  }

  /** Id of the node that made it. */
  get creator(): string {
    return readNodeId(this.bytes, Header.creator);
  }

  /** A 32-bit number of the segment, without sign. */
  u32(offset: number): number {
    return Atomics.load(this.words, offset >> 2) >>> 0;
  }

  /** Writes a 32-bit number. */
  setU32(offset: number, value: number): void {
    Atomics.store(this.words, offset >> 2, value);
  }

  /** Takes the lease; false if another process holds it. */
  takeLease(): boolean {
    return this.#lease(this.#binding.shim.cw_lease_take(this.native), Status.ok);
  }

  /** Does a process hold the lease? False proves that the owner is dead. */
  isLeaseHeld(): boolean {
    return this.#lease(this.#binding.shim.cw_lease_test(this.native), 1);
  }

  #lease(status: number, yes: number): boolean {
    if (status < 0 && status !== Status.busy) {
      throw statusError(this.#binding.shim, status, "use the lease of", this.path);
    }
    return status === yes;
  }

  /** Closes the file and keeps the mapping. */
  releaseFile(): void {
    this.#binding.shim.cw_segment_release_handle(this.native);
  }

  /**
   * Detaches every view, then unmaps; with `stayMapped` it doesn't unmap, because there
   * is a view that can't be detached. Calling it again does nothing.
   */
  close(stayMapped = false): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.bytes.buffer.transfer();
    if (stayMapped) this.releaseFile();
    else this.#binding.shim.cw_segment_close(this.native);
  }
}

function writeHeader(
  segment: Segment,
  { kind, pages, creator, capacity, codec }: SegmentParameters,
  id: Uint8Array,
) {
  const view = new DataView(segment.bytes.buffer);
  view.setUint32(Header.version, LAYOUT_VERSION, true);
  view.setUint32(Header.kind, kind, true);
  view.setUint32(Header.pages, pages, true);
  segment.bytes.set(id, Header.id);
  writeNodeId(segment.bytes, Header.creator, creator);
  view.setFloat64(Header.created, Date.now(), true);
  view.setUint32(Header.capacity, capacity ?? 0, true);
  view.setUint32(Header.codec, codec ?? 0, true);
  view.setUint32(Header.magic, MAGIC, true);
}

function checkHeader(segment: Segment, kind: Kind): void {
  const { path } = segment;
  const magic = segment.u32(Header.magic);
  if (magic !== MAGIC) {
    throw new CorruptSegmentError(`${path} doesn't start with a segment's header`);
  }
  const version = segment.u32(Header.version);
  if (version !== LAYOUT_VERSION) throw new VersionMismatchError(path, LAYOUT_VERSION, version);
  const actual = segment.u32(Header.kind);
  if (actual !== kind) throw new KindMismatchError(path, kindName(kind), kindName(actual));
  const pages = segment.u32(Header.pages);
  if (pages * PAGE !== segment.size) {
    throw new CorruptSegmentError(
      `${path} says it has ${pages} pages, but its size is ${segment.size} bytes`,
    );
  }
}

function noSpace(binding: Binding, path: string, needed: number): NoSpaceError {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const out = new BigUint64Array(2);
  binding.shim.cw_directory_space(nativePath(directory), out);
  return new NoSpaceError(directory, needed, Number(out[0]), Number(out[1]));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes a text with its length, cut at `limit` bytes on a character's end. */
export function writeText(segment: Segment, offset: number, limit: number, text: string): void {
  const { written } = encoder.encodeInto(
    text,
    segment.bytes.subarray(offset + 4, offset + 4 + limit),
  );
  segment.setU32(offset, written);
}

/** Reads a text written by {@linkcode writeText}. */
export function readText(segment: Segment, offset: number, limit: number): string {
  const length = segment.u32(offset);
  if (length > limit) {
    throw new CorruptSegmentError(`${segment.path} holds a text of ${length} bytes, over ${limit}`);
  }
  return decoder.decode(segment.bytes.slice(offset + 4, offset + 4 + length));
}
