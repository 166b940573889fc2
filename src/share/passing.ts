/**
 * Shared memory in messages: it goes by reference.
 *
 * The memory has to outlive the message. A realm that has it open has a file in the memory's
 * folder; for a message under way there is one more, a **hold**:
 *
 *     <root>/memory/<name>/hold-<count>-<node>
 *
 * It is the sender's, made when the value is encoded. The receiver opens the memory when it
 * decodes the message, has a file of its own from then on, and removes the hold; so the sender
 * may close the memory at once. A hold also ends when it is known that the message won't be
 * received, and with the sender's realm: when that has nothing open any longer, or is dead.
 *
 * A message with many receivers (a topic) has no hold: the sender keeps the memory open.
 *
 * @module
 */
import type { Codec, FunctionTable, ReferenceType } from "../codec/codec.ts";
import { ArgumentError, CodecError, LimitError, MemoryGoneError } from "../errors.ts";
import { BUSY } from "../memory/directory.ts";
import { Kind } from "../memory/layout.ts";
import { isNodeId } from "../memory/names.ts";
import { removeUnused } from "../memory/nodes.ts";
import { Segment } from "../memory/segment.ts";
import type { Realm } from "../wake/realm.ts";
import { describeMemory, Mapping, MEMORY_FOLDER } from "./mapping.ts";
import { SharedArray } from "./shared_array.ts";
import { adoptMemory, goneMemory, mappingOf, passed, SharedMemory } from "./shared_memory.ts";

/** What it is called in a message, see {@linkcode ReferenceType}. */
const TAG = 77;
const HOLD = "hold-";
/** After so many holds that nobody asked about, see which are still there. */
const LOOK_AFTER = 64;

let count = 0;

/** A file that keeps a memory from going. */
interface Hold {
  readonly encoded: string;
  readonly file: string;
}

/** Holds of one message. */
export class Holds {
  readonly #realm: Realm;
  readonly #holds: readonly Hold[];

  /** Made by {@linkcode MemoryPassing}. */
  constructor(realm: Realm, holds: readonly Hold[]) {
    this.#realm = realm;
    this.#holds = holds;
  }

  /** The message is gone, or was received: the memory may go. Calling it again does nothing. */
  release(): void {
    for (const hold of this.#holds) releaseHold(this.#realm, hold);
  }
}

/** How a message with memory in it is kept from losing it. */
export interface PassingOptions {
  /** `"held"`: one receiver, and a hold until then. `"open"`: any number; the sender keeps it open. */
  readonly hold: "held" | "open";
  /**
   * Received holds aren't removed, but given by {@linkcode MemoryPassing.takeReceived}. Memory that is
   * gone doesn't make its message useless: it arrives as memory whose views throw, and
   * {@linkcode MemoryPassing.takeGone} says so.
   */
  readonly keepReceived?: boolean;
  /** Holds of messages that were sent and not received yet; without it there is no limit. */
  readonly maxHolds?: number;
}

/** A type that crosses by reference: {@linkcode SharedMemory}, for one connection, topic or queue. */
export class MemoryPassing implements ReferenceType {
  /** See {@linkcode ReferenceType}. */
  readonly tag = TAG;
  readonly #realmOf: () => Realm;
  readonly #hold: boolean;
  readonly #keepReceived: boolean;
  readonly #maxHolds: number;
  /** Holds of values that were encoded since the last look. */
  #fresh: Hold[] = [];
  /** Holds of messages that nobody asked about. */
  #underWay: Hold[] = [];
  #lookAfter = LOOK_AFTER;
  #received: Hold[] = [];
  #gone: MemoryGoneError | undefined;
  #closed = false;
  readonly #onEnd = (): void => this.close();

  /** Gives the realm in which memory is opened; both sides are in the same directory. */
  constructor(
    realm: () => Realm,
    { hold, keepReceived = false, maxHolds = Infinity }: PassingOptions,
  ) {
    this.#realmOf = realm;
    this.#hold = hold === "held";
    this.#keepReceived = keepReceived;
    this.#maxHolds = maxHolds;
  }

  get #realm(): Realm {
    return this.#realmOf();
  }

  /** See {@linkcode ReferenceType}. */
  matches(value: object): boolean {
    return value instanceof SharedMemory || value instanceof SharedArray;
  }

  /** See {@linkcode ReferenceType}. */
  exportObject(value: object): unknown {
    if (value instanceof SharedArray) {
      // Its elements would be copied, and a write to the copy would go nowhere.
      throw new CodecError("a SharedArray can't be sent: send its `memory`");
    }
    const { realm, encoded, name } = mappingOf(value as SharedMemory);
    if (realm !== this.#realm) {
      throw new ArgumentError(
        `the shared memory is in the directory ${realm.directory.root}, this goes through ` +
          `${this.#realm.directory.root}: open both in the same`,
      );
    }
    if (!this.#hold || this.#closed) return [encoded];
    this.#checkRoom();
    const hold = makeHold(realm, encoded, name);
    realm.onEnd.add(this.#onEnd);
    this.#fresh.push(hold);
    passed(value as SharedMemory);
    return [encoded, hold.file];
  }

  /** @throws {LimitError} The receiver takes messages, but not the memory in them. */
  #checkRoom(): void {
    if (this.#underWay.length + this.#fresh.length < this.#maxHolds) return;
    this.#look();
    if (this.#underWay.length + this.#fresh.length < this.#maxHolds) return;
    throw new LimitError(
      `${this.#maxHolds} shared memories were sent and not received yet, the most there can be: ` +
        "wait until the other side has received some",
    );
  }

  /** See {@linkcode ReferenceType}. */
  importObject(reference: unknown): SharedMemory {
    const [encoded, file] = checkReference(reference);
    let memory: SharedMemory;
    try {
      memory = adoptMemory(this.#realm, encoded);
    } catch (error) {
      if (!this.#keepReceived || !(error instanceof MemoryGoneError)) throw error;
      this.#gone = error;
      return goneMemory(error);
    }
    if (file !== undefined) {
      const hold = { encoded, file };
      if (this.#keepReceived) this.#received.push(hold);
      else releaseHold(this.#realm, hold);
    }
    return memory;
  }

  /**
   * To be called before a value is encoded: what was encoded before and not taken is
   * under way from now on.
   */
  begin(): void {
    if (this.#fresh.length === 0) return;
    this.#underWay.push(...this.#fresh);
    this.#fresh = [];
    if (this.#underWay.length > this.#lookAfter) this.#look();
  }

  /**
   * The holds of the value that was just encoded; mostly there are none. Who takes them
   * releases them: when the message couldn't be sent, or was answered.
   */
  take(): Holds | undefined {
    if (this.#fresh.length === 0) return undefined;
    const holds = new Holds(this.#realm, this.#fresh);
    this.#fresh = [];
    return holds;
  }

  /**
   * The same, but they stay under way: for a message that waits to be sent. Who gets them
   * releases them if it wasn't.
   */
  watch(): Holds | undefined {
    if (this.#fresh.length === 0) return undefined;
    const holds = new Holds(this.#realm, this.#fresh);
    this.begin();
    return holds;
  }

  /** The same for values decoded, with `keepReceived`: to be released when the message is done. */
  takeReceived(): Holds | undefined {
    if (this.#received.length === 0) return undefined;
    const holds = new Holds(this.#realm, this.#received);
    this.#received = [];
    return holds;
  }

  /** Why memory in the value that was just decoded is gone; mostly there is none. */
  takeGone(): MemoryGoneError | undefined {
    const gone = this.#gone;
    if (gone !== undefined) this.#gone = undefined;
    return gone;
  }

  /** Releases all holds that weren't taken: nobody will receive what was sent here. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const holds = [...this.#underWay, ...this.#fresh];
    if (holds.length === 0) return;
    this.#underWay = this.#fresh = [];
    this.#realm.onEnd.delete(this.#onEnd);
    new Holds(this.#realm, holds).release();
  }

  /** Forgets holds that were redeemed. */
  #look(): void {
    const { directory } = this.#realm;
    const folders = new Map<string, Set<string>>();
    this.#underWay = this.#underWay.filter(({ encoded, file }) => {
      let files = folders.get(encoded);
      if (files === undefined) {
        files = new Set(directory.list(directory.path(MEMORY_FOLDER, encoded)));
        folders.set(encoded, files);
      }
      return files.has(file);
    });
    this.#lookAfter = Math.max(LOOK_AFTER, 2 * this.#underWay.length);
  }
}

/** A codec through which memory goes by reference. */
export interface PassingCodec extends Codec {
  /** See {@linkcode MemoryPassing}: `take()`, `takeReceived()`, `close()`. */
  readonly memory: MemoryPassing;
}

/**
 * A codec like `codec`, through which shared memory goes by reference, if `codec` can
 * (`messagePack` can): for topics and queues.
 */
export function passMemory(codec: Codec, realm: Realm, options: PassingOptions): PassingCodec {
  const memory = new MemoryPassing(() => realm, options);
  const table: FunctionTable = {
    exportFunction() {
      throw new CodecError("a function can't be sent here");
    },
    importFunction() {
      throw new CodecError("a function arrived where none can be called");
    },
    references: [memory],
  };
  return {
    name: codec.name,
    ...(codec.output === undefined ? {} : { output: codec.output }),
    ...(codec.carriesReferences === undefined
      ? {}
      : { carriesReferences: codec.carriesReferences }),
    memory,
    encode(value) {
      memory.begin();
      try {
        return codec.encode(value, table);
      } catch (error) {
        memory.take()?.release();
        throw error;
      }
    },
    decode: (bytes) => codec.decode(bytes, table),
  };
}

/** Needs no lock: the folder stays, because this realm has a file in it. */
function makeHold(realm: Realm, encoded: string, name: string | undefined): Hold {
  const file = `${HOLD}${++count}-${realm.id}`;
  const path = realm.directory.path(MEMORY_FOLDER, encoded, file);
  const hold = Segment.create(realm.binding, path, {
    kind: Kind.member,
    pages: 1,
    creator: realm.id,
  });
  // The files were removed under it: no receiver would find the memory.
  if (hold === undefined) throw new MemoryGoneError(describeMemory(name));
  hold.close();
  return { encoded, file };
}

function releaseHold(realm: Realm, { encoded, file }: Hold): void {
  const { directory } = realm;
  const parts = [MEMORY_FOLDER, encoded];
  const path = directory.path(...parts, file);
  realm.eventually(() => {
    // A member's folder stays. Otherwise it may be the last that keeps the memory.
    if (Mapping.isMapped(realm, encoded)) {
      directory.removeFile(path);
      return undefined;
    }
    if (!directory.list(directory.path(...parts)).includes(file)) return undefined;
    const removed = directory.tryLocked(parts, () => {
      directory.removeFile(path);
      removeUnused(directory, parts);
    });
    if (removed !== BUSY) directory.prune(parts);
    return removed;
  });
}

/** It was read from shared memory: it names a folder and a hold, and nothing else. */
function checkReference(reference: unknown): [encoded: string, file: string | undefined] {
  if (Array.isArray(reference)) {
    const [encoded, file] = reference as unknown[];
    const isFine = typeof encoded === "string" &&
      /^(\+[0-9a-f]{32}|[a-z0-9_%-]{1,160}|~[0-9a-f]{64})$/.test(encoded) &&
      (file === undefined || isHold(file));
    if (isFine) return [encoded, file as string | undefined];
  }
  throw new CodecError("a reference to shared memory arrived that is none");
}

function isHold(file: unknown): boolean {
  return typeof file === "string" && /^hold-\d{1,16}-.{16}$/.test(file) &&
    isNodeId(file.slice(-16));
}
