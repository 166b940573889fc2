/**
 * The mapping of a shared memory in this realm: one per memory, however many
 * `SharedMemory` objects stand for it. It is a member of the memory's membership, so the
 * memory lives as long as some realm has it mapped, and goes with the last.
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
import {
  Header,
  Kind,
  MAX_SOURCES,
  MembershipLayout,
  MemoryLayout,
  PAGE,
} from "../memory/layout.ts";
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
  /** It was received by reference: it must exist, and is closed when it is garbage. */
  readonly passed?: boolean;
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
  /** Somebody transferred a buffer, and can read and write the bytes as long as we run. */
  #isTransferred = false;
  readonly #closer = (): void => {
    for (const use of [...this.#uses]) this.release(use);
  };

  private constructor(realm: Realm, encoded: string, membership: Membership) {
    this.realm = realm;
    this.encoded = encoded;
    this.#membership = membership;
    const { segment } = membership;
    this.size = sizeOf(segment);
    const name = readText(segment, MembershipLayout.name, MembershipLayout.nameBytes);
    this.name = name === "" ? undefined : name;
  }

  /** Opens or makes it for one more `owner`. */
  static use(realm: Realm, wish: MemoryWish, owner: object): MemoryUse {
    const mapping = Mapping.#find(realm, wish);
    const { passed = false } = wish;
    const kept = passed ? undefined : owner;
    const use: MemoryUse = { mapping, owner: kept, buffer: undefined, closed: false };
    mapping.#uses.add(use);
    if (passed) garbage.register(owner, use, use);
    return use;
  }

  static #find(realm: Realm, wish: MemoryWish): Mapping {
    let all = mappings.get(realm);
    if (all === undefined) mappings.set(realm, all = new Map());
    const known = all.get(wish.encoded);
    if (known !== undefined) {
      check(known.#membership.segment, wish);
      // Joining it once more makes it durable.
      if (wish.durable) Mapping.#join(realm, wish).leave();
      return known;
    }
    const membership = Mapping.#join(realm, wish);
    let mapping: Mapping;
    try {
      mapping = new Mapping(realm, wish.encoded, membership);
    } catch (error) {
      membership.leave();
      throw error;
    }
    realm.use(mapping.#closer);
    all.set(wish.encoded, mapping);
    return mapping;
  }

  static #join(realm: Realm, wish: MemoryWish): Membership {
    const { name = "", encoded, size, durable = false } = wish;
    if (size !== undefined) checkLargest(realm, size);
    const parameters: MembershipParameters = {
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
    const hooks: MembershipHooks = {
      initialise(segment) {
        segment.setU32(MemoryLayout.sizeLow, size! >>> 0);
        segment.setU32(MemoryLayout.sizeHigh, Math.floor(size! / 2 ** 32));
        segment.setU32(MemoryLayout.element, wish.element ?? 0);
      },
      check: (segment) => check(segment, wish),
      recover() {},
    };
    // A source that there isn't: nobody has to be rung.
    return Membership.join(realm, parameters, hooks, MAX_SOURCES);
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
    // It has bytes, unless it was detached by somebody else.
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

function notThere({ name, passed, element }: MemoryWish): Error {
  if (passed) return new MemoryGoneError(describeMemory(name));
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
