/**
 * A membership: a segment that all members of a name share, and that goes with the last
 * of them (or stays, if one of them wanted it durable).
 *
 *     <root>/<folder>/<name>/shared                     the segment; `durable` if it stays
 *     <root>/<folder>/<name>/member-<source>-<count>-<node>   one for each member
 *
 * Joining and leaving happen under the lock of the folder. A member's file is made
 * before the shared one and removed after it, so that a process that reaps
 * a node (`src/memory/nodes.ts`) knows by the names of the files what is left.
 *
 * @module
 */
import {
  CapacityMismatchError,
  CodecMismatchError,
  CorruptSegmentError,
  isShortage,
} from "../errors.ts";
import type { FilesRemovedError } from "../errors.ts";
import { GENERATIONS } from "../memory/claims.ts";
import { BUSY } from "../memory/directory.ts";
import { Header, Kind, MAX_SOURCES, MembershipLayout, PAGE } from "../memory/layout.ts";
import { isNodeId } from "../memory/names.ts";
import { removeUnused, SHARED_FILE } from "../memory/nodes.ts";
import { Segment, writeText } from "../memory/segment.ts";
import { MemberTable } from "./member_table.ts";
import type { Handle } from "../wake/handle.ts";
import type { Realm } from "../wake/realm.ts";
import { Retry } from "../wake/retry.ts";

/** What a membership is, and what it must be if it exists. */
export interface MembershipParameters {
  /** The pattern's folder in the runtime directory. */
  readonly folder: string;
  readonly name: string;
  /** The name as a file name, see `encodeName`. */
  readonly encoded: string;
  readonly kind: Kind;
  /** Data bytes behind {@linkcode MembershipLayout} for a capacity. */
  readonly dataBytes: (capacity: number) => number;
  /** Capacity that the user asked for; `undefined`: whatever is there. */
  readonly capacity: number | undefined;
  /** Capacity of a new one if none was asked for. */
  readonly defaultCapacity: number;
  /** A number that stands for the codec, see `codecId`; 0 for none. */
  readonly codec?: number;
  /** The name of a codec's number, for messages. */
  readonly codecName?: (codec: number, segment: Segment) => string;
  /** It stays when its last member leaves or dies. */
  readonly durable?: boolean;
  /** View only what is before the data: another object views that. */
  readonly withoutData?: boolean;
  /**
   * It is claimed: while an earlier segment of that name is in use, whose file was removed, a
   * new one knows that ({@linkcode MembershipHooks.follows}).
   */
  readonly claimed?: boolean;
}

/**
 * The pattern's part. All but `onRecovered` are called under the lock of the folder,
 * and so must not ring anybody.
 */
export interface MembershipHooks {
  /** Writes what a new segment starts with besides zeros. */
  initialise?(segment: Segment): void;
  /** A new segment, `claimed`, has an earlier one that is in use. */
  follows?(segment: Segment): void;
  /** Its files were removed: other processes can't find it any more. Default: the handle fails. */
  onRemoved?(error: FilesRemovedError): void;
  /** Checks one that exists, before joining; throws what is wrong. */
  check?(segment: Segment): void;
  /** We are a member now. */
  joined?(segment: Segment, member: number): void;
  /**
   * Puts right what a member left that is dead; may run twice for the same one. `self`
   * is the member that does it.
   */
  recover(segment: Segment, member: number, self: number): void;
  /** Some member was recovered: waits may be over. Called without the lock. */
  onRecovered?(): void;
}

const DURABLE_FILE = "durable";
const MEMBER = "member-";

let count = 0;

/** See the module. */
export class Membership {
  readonly segment: Segment;
  readonly members: MemberTable;
  /** Our slot in the table of members; -1: none, nothing rings us. */
  readonly index: number;
  readonly #realm: Realm;
  readonly #parts: string[];
  readonly #hooks: MembershipHooks;
  readonly #memberFile: string;
  #unhook: () => void = () => {};
  /** What it claims, and in which generation. */
  readonly #claim: string | undefined;
  readonly #generation: number;
  #retry: Retry | undefined;
  #closed = false;

  private constructor(
    realm: Realm,
    parts: string[],
    hooks: MembershipHooks,
    memberFile: string,
    segment: Segment,
    source: number | undefined,
    claimed = false,
  ) {
    this.#realm = realm;
    this.#parts = parts;
    this.#hooks = hooks;
    this.#memberFile = memberFile;
    this.segment = segment;
    this.#claim = claimed ? claimOf(parts) : undefined;
    this.#generation = segment.u32(MembershipLayout.generation);
    if (this.#generation >= GENERATIONS) {
      throw new CorruptSegmentError(`${segment.path} is of the generation ${this.#generation}`);
    }
    this.members = new MemberTable(realm, segment);
    this.index = source === undefined ? -1 : this.members.join(source);
    if (source !== undefined) hooks.joined?.(segment, this.index);
    if (this.#claim !== undefined) realm.claims.take(this.#claim, this.#generation);
  }

  /**
   * Opens or makes the shared segment and becomes a member; others ring the handle's source.
   * The pattern calls {@linkcode Membership.leave} when the handle closes.
   *
   * @throws {TimeoutError} Another process held the folder's lock for too long.
   */
  static async open(
    handle: Handle,
    parameters: MembershipParameters,
    hooks: MembershipHooks,
    signal?: AbortSignal,
  ): Promise<Membership> {
    const { realm, index } = handle;
    const parts = [parameters.folder, parameters.encoded];
    const membership = await lockedToEnter(
      realm,
      parts,
      (path) => Membership.#enter(realm, parts, path, parameters, hooks, index),
      signal,
    );
    membership.#retry = new Retry(
      handle,
      () => membership.#recoverDead(),
    );
    const onRemoved = (): void => {
      const error = handle.filesRemoved();
      if (hooks.onRemoved === undefined) handle.fail(error);
      else hooks.onRemoved(error);
    };
    handle.onCutOff(onRemoved);
    membership.#unhook = handle.onDeathHint(() => {
      if (membership.#isReplaced()) onRemoved();
      else membership.#recoverDead();
    });
    membership.#recoverDead();
    return membership;
  }

  /** Is an earlier segment of that name, whose file was removed, still in use? */
  get isEarlierInUse(): boolean {
    if (this.#claim === undefined) return false;
    return this.#realm.claims.isUsedBesides(this.#claim, this.#generation);
  }

  /** Was the file removed, and has another process made a new one? */
  #isReplaced(): boolean {
    if (!this.isEarlierInUse || this.#closed) return false;
    const path = this.#realm.directory.path(...this.#parts, SHARED_FILE);
    const { bytes } = this.segment;
    const there = Segment.open(this.#realm.binding, path, this.segment.kind, PAGE);
    if (there === undefined) return true;
    const id = bytes.subarray(Header.id, Header.creator);
    const isSame = id.every((byte, at) => byte === there.bytes[Header.id + at]);
    there.close();
    return !isSame;
  }

  /** Makes the member's file and the membership, under the lock of the folder. */
  static #enter(
    realm: Realm,
    parts: string[],
    path: string,
    parameters: MembershipParameters,
    hooks: MembershipHooks,
    source: number | undefined,
  ): Membership {
    const memberFile = memberFileOf(realm, path, source);
    makeMemberFile(realm, memberFile);
    try {
      const segment = openOrMake(realm, path, parameters, hooks);
      try {
        const { claimed } = parameters;
        return new Membership(realm, parts, hooks, memberFile, segment, source, claimed);
      } catch (error) {
        segment.close();
        throw error;
      }
    } catch (error) {
      realm.directory.removeFile(memberFile);
      removeUnused(realm.directory, parts);
      throw error;
    }
  }

  /**
   * Opens or makes a shared segment that lives as long as some process has it open, without a
   * slot in the table: nothing is rung, and a death leaves nothing to put right. `make`
   * runs under the lock, and calls what it gets if this realm hasn't the segment open already.
   */
  static async enter<T>(
    realm: Realm,
    parameters: MembershipParameters,
    hooks: MembershipHooks,
    make: (enter: () => Membership) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const parts = [parameters.folder, parameters.encoded];
    return await lockedToEnter(
      realm,
      parts,
      (path) => make(() => Membership.#enter(realm, parts, path, parameters, hooks, undefined)),
      signal,
    );
  }

  /**
   * The same for one that another process keeps meanwhile: without the folder's lock, which that
   * process or a third may hold, stopped. `undefined` if it is gone.
   */
  static adopt(
    realm: Realm,
    parameters: MembershipParameters,
    hooks: MembershipHooks,
  ): Membership | undefined {
    const parts = [parameters.folder, parameters.encoded];
    const path = realm.directory.path(...parts);
    const memberFile = memberFileOf(realm, path, undefined);
    // ORDER: our file first: a process that leaves under the lock sees it, or has left before.
    if (!makeMemberFile(realm, memberFile)) return undefined;
    try {
      const segment = openShared(realm, path, parameters, hooks);
      if (segment !== undefined) {
        return new Membership(realm, parts, hooks, memberFile, segment, undefined);
      }
    } catch (error) {
      realm.directory.removeFile(memberFile);
      throw error;
    }
    realm.directory.removeFile(memberFile);
    realm.directory.prune(parts);
    return undefined;
  }

  /**
   * Ends the membership, in the background if another process holds the folder's lock. The
   * pattern has given back all that it held, and doesn't use the segment any more. For
   * `stayMapped` see {@linkcode Segment.close}.
   */
  leave(stayMapped = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unhook();
    const { directory } = this.#realm;
    let isOut = false;
    this.#realm.eventually(() => {
      if (!isOut) {
        const left = directory.tryLocked(this.#parts, () => {
          if (this.index >= 0) this.members.leave(this.index);
          if (this.#claim !== undefined) this.#realm.claims.drop(this.#claim, this.#generation);
          directory.removeFile(this.#memberFile);
          removeUnused(directory, this.#parts);
        });
        if (left === BUSY) return BUSY;
        isOut = true;
        this.members.close();
        this.segment.close(stayMapped);
      }
      directory.prune(this.#parts);
      return undefined;
    });
  }

  /**
   * Called on each hint of a death: recovers and frees the slots of the dead. What isn't
   * possible now, because another process holds the lock or descriptors are short, is tried
   * again.
   */
  #recoverDead(): void {
    if (this.#closed) return;
    let recovered: boolean | typeof BUSY;
    try {
      recovered = this.#tryRecover();
    } catch (error) {
      if (!isShortage(error)) throw error;
      recovered = BUSY;
    }
    if (recovered === BUSY) {
      this.#retry?.later();
      return;
    }
    this.#retry?.succeeded();
    if (!recovered) return;
    this.members.ringAll();
    this.#hooks.onRecovered?.();
  }

  #tryRecover(): boolean | typeof BUSY {
    const dead = this.members.dead();
    if (dead.length === 0) return false;
    const locked = this.#realm.directory.tryLocked(this.#parts, () => {
      for (const one of dead) {
        if (!this.members.isSame(one)) continue; // another process was faster
        this.#hooks.recover(this.segment, one.member, this.index);
        this.members.leave(one.member);
      }
      return true;
    });
    if (locked === BUSY) return BUSY;
    // The realm doesn't know them as its peers any more.
    for (const { id } of dead) this.#realm.isDead(id);
    return true;
  }

  /**
   * Removes a segment that stayed and that no process uses; false if there is none, or a
   * process uses it.
   */
  static async remove(realm: Realm, folder: string, encoded: string): Promise<boolean> {
    const parts = [folder, encoded];
    reapDead(realm, parts);
    const removed = await realm.locked(parts, (path) => {
      if (realm.directory.list(path).some((file) => isNodeId(file.slice(-16)))) return false;
      const files = [DURABLE_FILE, SHARED_FILE];
      return files.filter((file) => realm.directory.removeFile(`${path}/${file}`)).length > 0;
    });
    realm.directory.prune(parts);
    return removed;
  }
}

/** Runs `task` under the lock of the folder, without what is dead there; leaves no empty folder. */
async function lockedToEnter<T>(
  realm: Realm,
  parts: string[],
  task: (path: string) => T,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    reapDead(realm, parts);
    return await realm.locked(parts, task, signal);
  } catch (error) {
    realm.directory.prune(parts);
    throw error;
  }
}

/** Proves the death of members and lets what they left be removed. Not under the lock. */
function reapDead(realm: Realm, parts: string[]): void {
  const { directory } = realm;
  const ids = directory.list(directory.path(...parts)).map((file) => file.slice(-16));
  for (const id of new Set(ids)) if (isNodeId(id)) realm.isDead(id);
}

function memberFileOf(realm: Realm, path: string, source: number | undefined): string {
  return `${path}/${MEMBER}${source ?? MAX_SOURCES}-${++count}-${realm.id}`;
}

/** False if there is no such folder. */
function makeMemberFile(realm: Realm, path: string): boolean {
  const segment = Segment.create(realm.binding, path, {
    kind: Kind.member,
    pages: 1,
    creator: realm.id,
  });
  segment?.close();
  return segment !== undefined;
}

function openOrMake(
  realm: Realm,
  path: string,
  parameters: MembershipParameters,
  hooks: MembershipHooks,
): Segment {
  const { durable = false } = parameters;
  return openShared(realm, path, parameters, hooks) ??
    make(realm, path, durable ? DURABLE_FILE : SHARED_FILE, parameters, hooks);
}

/** The segment that is there; with `durable` it stays from now on. */
function openShared(
  realm: Realm,
  path: string,
  parameters: MembershipParameters,
  hooks: MembershipHooks,
): Segment | undefined {
  const { durable = false } = parameters;
  for (const file of [DURABLE_FILE, SHARED_FILE]) {
    const segment = Segment.open(
      realm.binding,
      `${path}/${file}`,
      parameters.kind,
      viewedOf(parameters),
    );
    if (segment === undefined) continue;
    try {
      check(segment, parameters);
      hooks.check?.(segment);
    } catch (error) {
      segment.close();
      throw error;
    }
    segment.releaseFile();
    if (durable && file === SHARED_FILE) {
      realm.directory.rename(`${path}/${file}`, `${path}/${DURABLE_FILE}`);
    }
    return segment;
  }
  return undefined;
}

function claimOf(parts: readonly string[]): string {
  return parts.join("/");
}

function viewedOf({ withoutData = false }: MembershipParameters): number | undefined {
  return withoutData ? MembershipLayout.pages * PAGE : undefined;
}

function check(segment: Segment, parameters: MembershipParameters): void {
  const { name, capacity, codec = 0, codecName = String } = parameters;
  const actual = segment.u32(Header.capacity);
  if (capacity !== undefined && capacity !== actual) {
    throw new CapacityMismatchError(name, capacity, actual);
  }
  const theirs = segment.u32(Header.codec);
  if (theirs === codec) return;
  throw new CodecMismatchError(
    name,
    codecName(codec, segment),
    codecName(theirs, segment),
    parameters.folder,
    "this side",
  );
}

function make(
  realm: Realm,
  path: string,
  file: string,
  parameters: MembershipParameters,
  hooks: MembershipHooks,
): Segment {
  const { kind, name, codec = 0, dataBytes } = parameters;
  const capacity = parameters.capacity ?? parameters.defaultCapacity;
  const draft = `${path}/new-${++count}-${realm.id}`;
  const pages = MembershipLayout.pages + Math.ceil(dataBytes(capacity) / PAGE);
  const viewed = viewedOf(parameters);
  const created = {
    kind,
    pages,
    creator: realm.id,
    capacity,
    codec,
    ...(viewed !== undefined && { viewed }),
  };
  // The lock of the folder is held, so it can't be gone.
  const segment = Segment.create(realm.binding, draft, created)!;
  writeText(segment, MembershipLayout.name, MembershipLayout.nameBytes, name);
  hooks.initialise?.(segment);
  if (parameters.claimed === true) {
    const claim = claimOf([parameters.folder, parameters.encoded]);
    const generation = realm.claims.freeGeneration(claim);
    segment.setU32(MembershipLayout.generation, generation);
    if (realm.claims.isUsedBesides(claim, generation)) hooks.follows?.(segment);
  }
  segment.releaseFile();
  realm.directory.rename(draft, `${path}/${file}`);
  return segment;
}
