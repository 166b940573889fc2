/**
 * The mapping of a shared memory in this realm: one per memory, however many
 * `SharedMemory` objects stand for it. It has a file beside the memory's, so the memory lives
 * as long as some realm has it mapped. It goes when the last one lets it go, or is reaped.
 *
 * What this realm opened or made itself stays open until it is closed: the mapping holds it.
 * What it received by reference is closed when it is garbage, so nothing here may hold such
 * an object, or its buffer.
 *
 * @module
 */
import {
  ArgumentError,
  ClosedError,
  CorruptSegmentError,
  LimitError,
  MemoryGoneError,
  ParameterMismatchError,
} from "../errors.ts";
import { Header, Kind, MembershipLayout, MemoryLayout, PAGE } from "../memory/layout.ts";
import { readText } from "../memory/segment.ts";
import type { Segment } from "../memory/segment.ts";
import { Membership } from "../membership/membership.ts";
import type { MembershipHooks, MembershipParameters } from "../membership/membership.ts";
import type { Realm } from "../wake/realm.ts";
import { elementName } from "./elements.ts";

/** The folder of shared memory in the runtime directory. */
export const MEMORY_FOLDER = "memory";
/** What file names of memory without a name start with; no encoded name does. */
export const NAMELESS = "+";

/** What to open. */
export interface MemoryWish {
  /** The user's name; `undefined` for memory without one. */
  readonly name: string | undefined;
  /** The name as a file name. */
  readonly encoded: string;
  /** Bytes; `undefined`: whatever there is, and nothing is made. */
  readonly size?: number | undefined;
  /** Number of the element type, 0: whatever there is. */
  readonly element?: number;
  readonly durable?: boolean;
}

/** One object that uses a mapping. */
export interface MemoryUse {
  readonly mapping: Mapping;
  /** The object, if it stays open when nothing else refers to it. */
  owner: object | undefined;
  /** Its buffer, once it was asked for. */
  buffer: WeakRef<ArrayBuffer> | undefined;
  closed: boolean;
}

const mappings = new WeakMap<Realm, Map<string, Mapping>>();
const garbage = new FinalizationRegistry<MemoryUse>((use) => {
  try {
    use.mapping.release(use);
  } catch {
    // Nothing asked for this, so there is nothing to tell; what could be given back is.
  }
});

/** See the module. */
export class Mapping {
  readonly realm: Realm;
  readonly encoded: string;
  /** The user's name, cut at 2044 bytes of UTF-8; `undefined` if it has none. */
  readonly name: string | undefined;
  /** Bytes. */
  readonly size: number;
  readonly #membership: Membership;
  readonly #uses = new Set<MemoryUse>();
  /** A buffer was transferred: its new owner can use the bytes as long as this thread runs. */
  #isTransferred = false;
  readonly #closer = (): void => {
    for (const use of [...this.#uses]) this.release(use);
  };

  private constructor(realm: Realm, encoded: string, membership: Membership) {
    this.realm = realm;
    this.encoded = encoded;
    this.#membership = membership;
    const { segment } = membership;
    try {
      this.size = sizeOf(segment);
      const name = readText(segment, MembershipLayout.name, MembershipLayout.nameBytes);
      this.name = name === "" ? undefined : name;
    } catch (error) {
      membership.leave();
      throw error;
    }
    realm.use(this.#closer);
    let all = mappings.get(realm);
    if (all === undefined) mappings.set(realm, all = new Map());
    all.set(encoded, this);
  }

  /** Opens or makes what a wish says. */
  static async open(realm: Realm, wish: MemoryWish, signal?: AbortSignal): Promise<Mapping> {
    const { size, durable } = wish;
    if (size !== undefined) checkLargest(realm, size);
    let durably: Membership | undefined;
    const mapping = await Membership.enter(realm, parametersOf(wish), hooksOf(wish), (enter) => {
      const known = mappings.get(realm)?.get(wish.encoded);
      if (known === undefined) return new Mapping(realm, wish.encoded, enter());
      check(known.#membership.segment, wish);
      // Entering it once more makes it durable.
      if (durable) durably = enter();
      return known;
    }, signal);
    durably?.leave();
    return mapping;
  }

  /**
   * What was received by reference; without waiting for anything.
   *
   * @throws {MemoryGoneError} No process has it open any more.
   */
  static adopt(realm: Realm, encoded: string): Mapping {
    const known = mappings.get(realm)?.get(encoded);
    if (known !== undefined) return known;
    const wish: MemoryWish = { name: undefined, encoded };
    const membership = Membership.adopt(realm, parametersOf(wish), hooksOf(wish));
    if (membership === undefined) throw new MemoryGoneError(describeMemory(undefined));
    return new Mapping(realm, encoded, membership);
  }

  /** One more use of it. `owner` is held until it is closed, or with `weakly` only watched. */
  use(owner: object, weakly: boolean): MemoryUse {
    const use: MemoryUse = {
      mapping: this,
      owner: weakly ? undefined : owner,
      buffer: undefined,
      closed: false,
    };
    this.#uses.add(use);
    if (weakly) garbage.register(owner, use, use);
    return use;
  }

  /** Where files of the memory are. */
  get parts(): string[] {
    return [MEMORY_FOLDER, this.encoded];
  }

  /**
   * The bytes, for a use.
   *
   * @throws {ClosedError} The use has ended.
   * @throws {LimitError} The runtime has no buffers of that size.
   */
  view(use: MemoryUse): ArrayBuffer {
    if (use.closed) throw new ClosedError(describeMemory(this.name));
    checkLargest(this.realm, this.size);
    const buffer = this.#membership.segment.view(MembershipLayout.data, this.size);
    use.buffer = new WeakRef(buffer);
    return buffer;
  }

  /** Ends a use: detaches its views. The last one ends the mapping. */
  release(use: MemoryUse): void {
    if (use.closed) return;
    use.closed = true;
    use.owner = undefined;
    garbage.unregister(use);
    const buffer = use.buffer?.deref();
    // It has bytes, unless other code detached it.
    if (buffer?.byteLength === 0) this.#isTransferred = true;
    else buffer?.transfer();
    this.#uses.delete(use);
    if (this.#uses.size > 0) return;
    mappings.get(this.realm)!.delete(this.encoded);
    this.#membership.leave(this.#isTransferred);
    this.realm.release(this.#closer);
  }

  /** Is it mapped in this realm? */
  static isMapped(realm: Realm, encoded: string): boolean {
    return mappings.get(realm)?.has(encoded) ?? false;
  }
}

/** A memory as messages call it. */
export function describeMemory(name: string | undefined): string {
  return name === undefined ? "shared memory without a name" : `shared memory "${name}"`;
}

function parametersOf(wish: MemoryWish): MembershipParameters {
  const { name = "", encoded, size, durable = false } = wish;
  return {
    folder: MEMORY_FOLDER,
    name,
    encoded,
    kind: Kind.memory,
    dataBytes(pages) {
      if (size === undefined) throw notThere(wish);
      return pages * PAGE;
    },
    capacity: undefined,
    defaultCapacity: Math.ceil((size ?? 0) / PAGE),
    durable,
    withoutData: true,
  };
}

function hooksOf(wish: MemoryWish): MembershipHooks {
  const { size, element = 0 } = wish;
  return {
    initialise(segment) {
      segment.setU32(MemoryLayout.sizeLow, size! >>> 0);
      segment.setU32(MemoryLayout.sizeHigh, Math.floor(size! / 2 ** 32));
      segment.setU32(MemoryLayout.element, element);
    },
    check: (segment) => check(segment, wish),
    recover() {},
  };
}

function notThere({ name, element }: MemoryWish): Error {
  const missing = element ? "a `length` in elements" : "a `size` in bytes";
  return new ArgumentError(`there is no ${describeMemory(name)}: give ${missing} to make it`);
}

function checkLargest(realm: Realm, size: number): void {
  const { largestBuffer, runtime } = realm.binding;
  if (size <= largestBuffer) return;
  throw new LimitError(
    `${runtime} has no ArrayBuffer of ${size} bytes, only up to ${largestBuffer}: ` +
      "divide the memory, or use it in another runtime",
  );
}

function sizeOf(segment: Segment): number {
  const low = segment.u32(MemoryLayout.sizeLow);
  const size = segment.u32(MemoryLayout.sizeHigh) * 2 ** 32 + low;
  const room = segment.size - MembershipLayout.data;
  if (size > 0 && size <= room && segment.u32(Header.capacity) * PAGE === room) return size;
  throw new CorruptSegmentError(`${segment.path} says it has ${size} bytes, and has ${room}`);
}

function check(segment: Segment, { name, size, element = 0 }: MemoryWish): void {
  const actual = sizeOf(segment);
  if (size !== undefined && size !== actual) {
    throw new ParameterMismatchError(describeMemory(name), "a `size` in bytes of", size, actual);
  }
  const type = segment.u32(MemoryLayout.element);
  if (element === 0 || type === element) return;
  throw new ParameterMismatchError(
    describeMemory(name),
    "elements of",
    elementName(element),
    elementName(type),
  );
}
