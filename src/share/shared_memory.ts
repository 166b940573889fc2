/**
 * SharedMemory: bytes that several processes see.
 *
 * Nothing orders accesses but what the user does: `Atomics` on words of it, or a lock. It lives
 * as long as a process has it open.
 *
 * @module
 */
import { ArgumentError, ClosedError, CodecError, NotSharedError } from "../errors.ts";
import type { MemoryGoneError } from "../errors.ts";
import { MembershipLayout, PAGE } from "../memory/layout.ts";
import { checkName, encodeName, randomBytes } from "../memory/names.ts";
import { checkOptions, show } from "../options.ts";
import { Membership } from "../membership/membership.ts";
import { Realm } from "../wake/realm.ts";
import { describeMemory, Mapping, MEMORY_FOLDER, NAMELESS } from "./mapping.ts";
import type { MemoryUse, MemoryWish } from "./mapping.ts";

/** Options of {@linkcode SharedMemory.open}. */
export interface SharedMemoryOptions {
  /** Bytes. May be left out when the memory exists. */
  size?: number;
  /** It stays when nobody has it open any more, until {@linkcode SharedMemory.remove}. Default false. */
  durable?: boolean;
  /** The runtime directory: an absolute path. Default: `CAUSEWAY_DIR`, or a private one of the user. */
  directory?: string;
  /** Gives up opening. */
  signal?: AbortSignal;
}

/** Options of {@linkcode SharedMemory.create}. */
export interface CreateMemoryOptions {
  /** Bytes. */
  size: number;
  /** The runtime directory: an absolute path. Default: `CAUSEWAY_DIR`, or a private one of the user. */
  directory?: string;
  /** Gives up making it. */
  signal?: AbortSignal;
}

const OPTIONS = [
  "size",
  "durable",
  "directory",
  "signal",
] as const satisfies readonly (keyof SharedMemoryOptions)[];
const CREATE_OPTIONS = [
  "size",
  "directory",
  "signal",
] as const satisfies readonly (keyof CreateMemoryOptions)[];
const DIRECTORY = ["directory"] as const;

/** The largest size that the layout can say: 2^32 - 1 pages, with those before the data. */
const MAX_SIZE = (0xffff_ffff - MembershipLayout.pages) * PAGE;

/** The memory of a buffer. An entry lives as long as the buffer, and so does the memory. */
const owners = new WeakMap<ArrayBufferLike, SharedMemory>();

/** For the rest of this room: what was received by reference. */
export let adoptMemory: (realm: Realm, encoded: string) => SharedMemory;
/** For the rest of this room: stands for memory that is gone. */
export let goneMemory: (error: MemoryGoneError) => SharedMemory;
let openWish: (
  directory: string | undefined,
  wishOf: (realm: Realm) => MemoryWish,
  signal?: AbortSignal,
) => Promise<SharedMemory>;
/** For the rest of this room: how it is mapped. Throws {@linkcode ClosedError}. */
export let mappingOf: (memory: SharedMemory) => Mapping;
/** For the rest of this room: it was passed on; closes it if it was given away. */
export let passed: (memory: SharedMemory) => void;

/**
 * Memory that processes share, by name or passed by reference: in an argument or
 * result of a call, in a message of a topic or queue.
 *
 * @example
 * ```ts
 * import { SharedMemory } from "@causeway/ipc";
 *
 * using memory = await SharedMemory.open("frame", { size: 1920 * 1080 * 4 });
 * memory.bytes.fill(255);
 * ```
 */
export class SharedMemory implements Disposable {
  /** The name it was opened with (as others find it, cut at 2044 bytes); none if it was passed without one. */
  readonly name: string | undefined;
  /** Bytes; 0 if it came in a message of a queue, and wasn't there any more. */
  readonly size: number;
  /** `undefined`: the memory is gone. */
  readonly #use: MemoryUse | undefined;
  readonly #gone: MemoryGoneError | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #isGiven = false;

  static {
    adoptMemory = (realm, encoded) => {
      return new SharedMemory(Mapping.adopt(realm, encoded), undefined, true);
    };
    goneMemory = (error) => new SharedMemory(undefined, undefined, true, error);
    openWish = async (directory, wishOf, signal) => {
      signal?.throwIfAborted();
      return await Realm.visit(directory, async (realm) => {
        const wish = wishOf(realm);
        const mapping = await Mapping.open(realm, wish, signal);
        return new SharedMemory(mapping, wish.name, false);
      });
    };
    mappingOf = (memory) => memory.#open().mapping;
    passed = (memory) => {
      if (memory.#isGiven) memory.close();
    };
  }

  private constructor(
    mapping: Mapping | undefined,
    name: string | undefined,
    weakly: boolean,
    gone?: MemoryGoneError,
  ) {
    this.#gone = gone;
    this.#use = mapping?.use(this, weakly);
    this.size = mapping?.size ?? 0;
    this.name = name ?? mapping?.name;
  }

  /** @throws {MemoryGoneError} @throws {ClosedError} */
  #open(): MemoryUse {
    if (this.#gone !== undefined) throw this.#gone;
    if (this.isClosed) throw new ClosedError(describeMemory(this.name));
    return this.#use!;
  }

  /**
   * Opens memory by its name, or makes it: then it is zero, and all of it is reserved.
   *
   * It stays open until it is closed or the process ends, also when nothing refers to it any
   * more. An open memory doesn't keep the process alive.
   *
   * @throws {ArgumentError} There is none, and no `size` to make it with.
   * @throws {ParameterMismatchError} It has another size.
   * @throws {NoSpaceError} The file system can't hold it.
   * @throws {LimitError} This runtime has no buffers of that size (Bun: 4 GiB).
   * @throws {TimeoutError} A process that is stopped holds the lock of its folder.
   */
  static async open(name: string, options: SharedMemoryOptions = {}): Promise<SharedMemory> {
    checkOptions(options, OPTIONS);
    return await openMemory(name, options, 0);
  }

  /**
   * Makes memory without a name, for passing it on by reference. It stays open until it is
   * closed, or until {@linkcode SharedMemory.give} closes it.
   *
   * @throws {ArgumentError} An option is missing or out of range.
   * @throws {NoSpaceError} The file system can't hold it.
   * @throws {LimitError} This runtime has no buffers of that size (Bun: 4 GiB).
   */
  static async create(options: CreateMemoryOptions): Promise<SharedMemory> {
    if (options === undefined) {
      throw new ArgumentError("give a `size` in bytes: SharedMemory.create({ size })");
    }
    checkOptions(options, CREATE_OPTIONS);
    const { size, directory, signal } = options;
    checkSize(size, true);
    return await openWish(directory, ({ binding }) => {
      const id = Array.from(randomBytes(binding.shim, 16), hex).join("");
      return { name: undefined, encoded: NAMELESS + id, size };
    }, signal);
  }

  /** Removes durable memory that no process has open; false if there is none, or one has. */
  static async remove(name: string, options: { directory?: string } = {}): Promise<boolean> {
    checkOptions(options, DIRECTORY);
    const encoded = await encodeName(checkName(name));
    return await Realm.visit(options.directory, (realm) => {
      return Membership.remove(realm, MEMORY_FOLDER, encoded);
    });
  }

  /**
   * The memory that a buffer or view is of, to pass it on.
   *
   * @throws {NotSharedError} It is a buffer of this process alone.
   * @throws {ClosedError} The memory was closed.
   */
  static of(buffer: ArrayBufferLike | ArrayBufferView): SharedMemory {
    const owner = owners.get(ArrayBuffer.isView(buffer) ? buffer.buffer : buffer);
    if (owner?.isClosed) throw new ClosedError(describeMemory(owner.name));
    if (owner !== undefined) return owner;
    throw new NotSharedError(show(buffer));
  }

  /**
   * All of it as a buffer, for views of any type. Views are empty once the memory is
   * closed. Don't transfer it: its new owner can't be kept from the bytes, so they stay
   * mapped as long as this process runs. Another worker opens the memory by its name.
   *
   * @throws {ClosedError} It was closed.
   */
  get buffer(): ArrayBuffer {
    return this.bytes.buffer;
  }

  /**
   * All of it as bytes.
   *
   * @throws {ClosedError} It was closed.
   * @throws {MemoryGoneError} It came in a message of a queue, and wasn't there any more.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    const use = this.#open();
    if (this.#bytes === undefined) {
      const buffer = use.mapping.view(use);
      owners.set(buffer, this);
      this.#bytes = new Uint8Array(buffer);
    }
    return this.#bytes;
  }

  /**
   * Closes it as soon as it has been passed on: for the result of a method, which can't
   * close it itself.
   *
   * @example
   * ```ts ignore
   * return (await SharedMemory.create({ size })).give();
   * ```
   */
  give(): this {
    this.#isGiven = true;
    return this;
  }

  /** Was it closed? */
  get isClosed(): boolean {
    return this.#use?.closed ?? true;
  }

  /**
   * Detaches all views, and gives the memory up. It goes when the last process that has it
   * open gives it up. Calling it again does nothing.
   */
  close(): void {
    this.#use?.mapping.release(this.#use);
  }

  /** The same as {@linkcode SharedMemory.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** A codec that can't pass it by reference must not copy it either. */
  toJSON(): never {
    throw new CodecError(
      `${describeMemory(this.name)} can't cross here: it goes by reference in calls, topics and ` +
        "queues with the codec `messagePack`; copy its `bytes` to send their content",
    );
  }
}

/** See {@linkcode SharedMemory.open}; `element` is the number of an element type, or 0. */
export async function openMemory(
  name: string,
  options: SharedMemoryOptions,
  element: number,
): Promise<SharedMemory> {
  checkSize(options.size);
  const encoded = await encodeName(checkName(name));
  const { size, durable = false, directory, signal } = options;
  return await openWish(directory, () => ({ name, encoded, size, durable, element }), signal);
}

function checkSize(size: number | undefined, required = false): void {
  if (size === undefined && !required) return;
  if (Number.isInteger(size) && size! > 0 && size! <= MAX_SIZE) return;
  throw new ArgumentError(
    `\`size\` is a whole number of bytes from 1 to ${MAX_SIZE}, got ${show(size)}`,
  );
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
