/**
 * A realm: this thread's part in one runtime directory. It owns the node and the
 * reactor, and knows the nodes of its peers. Everything that is opened in the same
 * directory shares it; it goes with the last of them.
 *
 * @module
 */
import type { Binding } from "../platform/binding.ts";
import { binding } from "../platform/runtime.ts";
import { CausewayError, isShortage, TimeoutError } from "../errors.ts";
import { Claims } from "../memory/claims.ts";
import { BUSY, LOCK_TIMEOUT_MS, RuntimeDirectory } from "../memory/directory.ts";
import { NodeLayout } from "../memory/layout.ts";
import { isNodeId } from "../memory/names.ts";
import {
  createNode,
  isNodeDead,
  nodeClaim,
  NODES,
  openNode,
  reapNode,
  removeNode,
  sweep,
} from "../memory/nodes.ts";
import { Segment } from "../memory/segment.ts";
import { Reactor } from "./reactor.ts";
import { readClock } from "../timers.ts";

/** A node that this realm shares memory with. */
export class Peer {
  /** Its id. */
  readonly id: string;
  /** Its segment: its doorbell, and its lease. */
  readonly segment: Segment;
  /** Told once when the node is proved dead. */
  readonly onDeath: Set<() => void> = new Set();
  /** Connections that use it. */
  references = 0;

  constructor(id: string, segment: Segment) {
    this.id = id;
    this.segment = segment;
  }
}

/** The first and the longest time between two tries in the background, in ms. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 1000;
/** How long the end of a process waits for others at most, in ms. */
const LONGEST_END = 1000;
/** Rounds of closing at the end of a process. */
const MOST_ROUNDS = 3;

const realms = new Map<string, Realm>();
/** Realms that nothing new uses: their files were removed, or only background tasks are left. */
const leaving = new Set<Realm>();

/** See the module. */
export class Realm {
  readonly binding: Binding;
  readonly directory: RuntimeDirectory;
  /** Id of this realm's node. */
  readonly id: string;
  readonly reactor: Reactor;
  /**
   * Called when some node may have died: it may have written where we wait for it, and not
   * have rung any more.
   */
  readonly onDeathHint: Set<() => void> = new Set();
  /** What this realm uses, also when its files were removed. */
  readonly claims: Claims;
  /** Called when the realm's files were removed: other processes can't find it any more. */
  readonly onCutOff: Set<() => void> = new Set();
  /** Called when the realm ends, while it still works. */
  readonly onEnd: Set<() => void> = new Set();
  readonly #segment: Segment;
  /** This realm, and the watcher of its reactor. */
  #segmentUsers = 2;
  readonly #peers = new Map<string, Peer>();
  /** Dead nodes that are being cleaned up after. */
  readonly #reaping = new Set<string>();
  readonly #closers = new Set<() => void>();
  /** Gives up what is tried in the background; see {@linkcode Realm.eventually}. */
  readonly #tasks = new Set<() => void>();
  #isCutOff = false;
  #closed = false;
  /** When the end of the process has to be over. */
  #endsBy = 0;

  private constructor(loaded: Binding, directory: RuntimeDirectory) {
    this.binding = loaded;
    this.directory = directory;
    directory.within([], () => {});
    // Before the node: the system closes what was opened first when a process ends, so there is
    // no claim any more when the lease is seen to be free.
    this.claims = new Claims(loaded, directory.root);
    try {
      const { id, segment } = createNode(loaded, directory);
      this.id = id;
      this.#segment = segment;
      try {
        this.claims.take(nodeClaim(id), 0);
        // The directory may have been removed meanwhile, by a process that ended, and made anew.
        this.claims.renew(nodeClaim(id));
        this.reactor = new Reactor(loaded, directory, segment, () => this.#checkPeers());
      } catch (error) {
        removeNode(directory, id);
        segment.close();
        throw error;
      }
    } catch (error) {
      this.claims.close();
      throw error;
    }
  }

  /**
   * The realm of a directory (default: `CAUSEWAY_DIR` or the user's own) for one
   * more user, which gives `closer` to {@linkcode Realm.release}. `closer` is called
   * when the process or worker ends before that.
   */
  static async acquire(directory: string | undefined, closer: () => void): Promise<Realm> {
    const loaded = await binding();
    const runtimeDirectory = new RuntimeDirectory(loaded, directory);
    let realm = realms.get(runtimeDirectory.root);
    if (realm !== undefined) realm.checkFiles();
    if (realm === undefined || realm.#isCutOff) {
      realm = new Realm(loaded, runtimeDirectory);
      realms.set(runtimeDirectory.root, realm);
      closeOnExit(loaded);
    }
    realm.#closers.add(closer);
    return realm;
  }

  /** Does something with the realm of a directory, which lives on if the task uses it. */
  static async visit<T>(
    directory: string | undefined,
    task: (realm: Realm) => T | Promise<T>,
  ): Promise<T> {
    const closer = (): void => {};
    const realm = await Realm.acquire(directory, closer);
    try {
      return await task(realm);
    } finally {
      realm.release(closer);
    }
  }

  /** One more use, by something that has the realm already; see {@linkcode Realm.acquire}. */
  use(closer: () => void): void {
    this.#closers.add(closer);
  }

  /** Ends one use. */
  release(closer: () => void): void {
    this.#closers.delete(closer);
    if (this.#closers.size === 0 && !this.#closed) this.#close();
  }

  #close(): void {
    this.#closed = true;
    if (realms.get(this.directory.root) === this) realms.delete(this.directory.root);
    leaving.add(this);
    const { reactor } = this;
    for (const end of [...this.onEnd]) reactor.guard(end);
    // This may be the last process to know of a death that was no peer's.
    if (this.#segment.u32(NodeLayout.deaths) !== 0) {
      this.#tryIfPossible(() => sweep(this.binding, this.directory));
    }
    // Now, though tasks may be left: a program terminates its worker when all there is closed, and
    // a watcher mustn't call what Deno has freed by then. Tasks only need timers.
    reactor.guard(() => reactor.close(() => this.#dropSegment()));
    this.#peers.clear();
    this.#leaveIfDone();
  }

  /** Gives up the node, unless tasks in the background are left. */
  #leaveIfDone(): void {
    if (!this.#closed || this.#tasks.size > 0 || !leaving.delete(this)) return;
    this.#dropSegment();
    this.#tryIfPossible(() => removeNode(this.directory, this.id));
    this.claims.close();
  }

  #dropSegment(): void {
    if (--this.#segmentUsers === 0) this.#segment.close();
  }

  /** Cleaning up that another process can do as well: a shortage is no reason to fail. */
  #tryIfPossible(task: () => void): void {
    this.reactor.guard(() => {
      try {
        task();
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
      }
    });
  }

  /**
   * Is there no other living node? After a crash the others shall see a death, and clean up; where
   * there is none, nothing would be cleaned up before the next start.
   */
  isAlone(): boolean {
    try {
      return !this.directory.list(this.directory.path(NODES)).some((file) =>
        isNodeId(file) && file !== this.id &&
        Segment.probeLease(this.binding, this.directory.path(NODES, file)) === true
      );
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      return false; // out of descriptors: the others clean up
    }
  }

  /**
   * The process or worker ends: closes everything that is open in this realm. There is no later
   * time then, so what has to be tried again is tried here, blocking the thread for a while.
   */
  closeAll(): void {
    this.#endsBy = readClock() + LONGEST_END;
    // Closing can leave something for later, which is one more to be closed.
    for (let round = 0; round < MOST_ROUNDS; round++) {
      for (const end of [...this.#closers, ...this.#tasks]) this.reactor.guard(end);
    }
  }

  /** Tries until it is possible, or the time for that is over. */
  #tryAtEnd(task: () => unknown): void {
    while (!this.#try(task) && readClock() < this.#endsBy) {
      const words = this.#segment.words;
      const block = Atomics.load(words, NodeLayout.block >> 2);
      this.binding.shim.cw_wait(this.#segment.address, NodeLayout.block, block, 1000);
    }
  }

  // ------------------------------------------------------------------- locks

  /**
   * Runs `task` under the lock of a folder. Waits for the lock without blocking the
   * thread, and keeps the process alive meanwhile.
   *
   * @throws {TimeoutError} Another process held the lock for too long: it may be stopped.
   */
  async locked<T>(
    parts: string[],
    task: (path: string) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const end = readClock() + LOCK_TIMEOUT_MS;
    for (let delay = 1;; delay = Math.min(2 * delay, 50)) {
      signal?.throwIfAborted();
      const result = this.directory.tryLocked(parts, task);
      if (result !== BUSY) return result;
      if (readClock() >= end) {
        throw new TimeoutError(
          `waiting for the lock of ${this.directory.path(...parts)}`,
          LOCK_TIMEOUT_MS,
          "a process that is stopped may hold it",
        );
      }
      await this.#sleep(delay, signal);
    }
  }

  #sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { reactor } = this;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = reactor.startTimer(resolve, milliseconds);
    const wake = (): void => resolve();
    signal?.addEventListener("abort", wake);
    reactor.ref();
    return promise.finally(() => {
      reactor.unref();
      reactor.stopTimer(timer);
      signal?.removeEventListener("abort", wake);
    });
  }

  /**
   * Does something that may have to wait for another process, or for a shortage to pass: now,
   * or again and again in the background. `task` returns {@linkcode BUSY} if it has to be
   * tried again, and throws a shortage for the same; any other error ends the tries. The
   * node lives on until then, the process doesn't: the task is tried once more at its end.
   */
  eventually(task: () => unknown): void {
    if (this.#try(task)) return;
    let delay = FIRST_RETRY;
    const end = (): void => {
      this.#tasks.delete(tryAtEnd);
      this.#leaveIfDone();
    };
    const tryAtEnd = (): void => {
      this.#tryAtEnd(task);
      end();
    };
    const retry = (): void => {
      if (!this.#tasks.has(tryAtEnd)) return;
      if (this.#try(task)) return end();
      delay = Math.min(2 * delay, LONGEST_RETRY);
      this.reactor.startTimer(retry, delay);
    };
    this.#tasks.add(tryAtEnd);
    this.reactor.startTimer(retry, delay);
  }

  /** True if there is nothing to try again. */
  #try(task: () => unknown): boolean {
    try {
      return task() !== BUSY;
    } catch (error) {
      if (isShortage(error)) return false;
      if (!(error instanceof CausewayError)) {
        this.reactor.guard(() => {
          throw error;
        });
      }
      return true;
    }
  }

  // ------------------------------------------------------------------- peers

  /** Uses a peer's node; `undefined` if it is dead. Give it back with {@linkcode Realm.releasePeer}. */
  acquirePeer(id: string): Peer | undefined {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      const segment = id === this.id ? this.#segment : openNode(this.binding, this.directory, id);
      if (segment === undefined) return undefined;
      // A death before now is one that we won't be told of.
      if (id !== this.id && !segment.isLeaseHeld()) {
        segment.close();
        this.#reap(id);
        return undefined;
      }
      peer = new Peer(id, segment);
      this.#peers.set(id, peer);
    }
    peer.references++;
    return peer;
  }

  /** See {@linkcode Realm.acquirePeer}. */
  releasePeer(peer: Peer): void {
    if (--peer.references > 0) return;
    if (this.#peers.get(peer.id) === peer) this.#peers.delete(peer.id);
    if (peer.id !== this.id) peer.segment.close();
  }

  /** Is there proof that a node is dead? If so, what it left is removed, soon at least. */
  isDead(id: string): boolean {
    if (id === this.id) return false;
    // To look again at what is proved would be an event for every watcher: a storm, while another
    // process holds a lock.
    if (this.#reaping.has(id)) return true;
    if (this.#peers.get(id)?.segment.isLeaseHeld() === true) return false;
    if (!isNodeDead(this.binding, this.directory, this.claims, id)) return false;
    this.#reap(id);
    return true;
  }

  /** Once at a time for each node, however often its death is proved while a lock is held. */
  #reap(id: string): void {
    if (this.#reaping.has(id)) return;
    this.#reaping.add(id);
    this.eventually(() => {
      let isDone = true;
      try {
        isDone = reapNode(this.directory, id);
      } catch (error) {
        isDone = !isShortage(error);
        throw error;
      } finally {
        if (isDone) this.#reaping.delete(id);
      }
      return isDone ? undefined : BUSY;
    });
  }

  /** Asks all realms in the directory to look for deaths, and whether their files are there. */
  askAll(): void {
    for (const id of this.directory.list(this.directory.path(NODES))) {
      if (id === this.id || !isNodeId(id)) continue;
      const peer = this.acquirePeer(id);
      if (peer === undefined) continue;
      Atomics.add(peer.segment.words, NodeLayout.deaths >> 2, 1);
      // Any source will do: a turn looks at the word.
      this.reactor.ring(peer.segment, 0);
      this.releasePeer(peer);
    }
  }

  /**
   * Looks whether this realm's files are still there; false if they are gone. Without them other
   * processes can't find what is open here. It goes on for what is connected already; what is
   * opened from now on has a new realm.
   */
  checkFiles(): boolean {
    if (this.#isCutOff || this.#closed) return !this.#isCutOff;
    if (this.directory.exists(this.directory.path(NODES, this.id))) return true;
    this.#isCutOff = true;
    if (realms.get(this.directory.root) === this) realms.delete(this.directory.root);
    leaving.add(this);
    for (const tell of [...this.onCutOff]) this.reactor.guard(tell);
    // What is still held here mustn't be given to others.
    this.#tryIfPossible(() => {
      if (this.claims.size < 2) return;
      this.directory.within([], () => {});
      this.claims.renew(nodeClaim(this.id));
    });
    return false;
  }

  #checkPeers(): void {
    const { reactor } = this;
    reactor.guard(() => void this.checkFiles());
    if (this.#closed) return;
    for (const look of [...this.onDeathHint]) reactor.guard(look);
    const dead = [...this.#peers.values()].filter((peer) => this.#hasDied(peer));
    // Those that wait for them are told first: cleaning up can fail, or take long.
    for (const peer of dead) {
      this.#peers.delete(peer.id);
      for (const tell of [...peer.onDeath]) reactor.guard(tell);
    }
    for (const { id } of dead) if (!this.#closed) this.#reap(id);
  }

  #hasDied(peer: Peer): boolean {
    return peer.id !== this.id && peer.segment.mapped && !peer.segment.isLeaseHeld();
  }
}

let registered = false;

function closeOnExit(loaded: Binding): void {
  if (registered) return;
  registered = true;
  loaded.onExit((crashed) => {
    for (const realm of [...realms.values(), ...leaving]) {
      if (!crashed || realm.isAlone()) realm.closeAll();
    }
  });
  // A reactor that is awake isn't called from its watcher's thread.
  loaded.onFault(() => {
    for (const realm of [...realms.values(), ...leaving]) realm.reactor.stayAwake();
  });
}
