/**
 * A realm: this thread's part in one runtime directory. It owns the node, the
 * reactor, and knows the nodes of its peers. Everything that is opened in the
 * same directory shares it; it goes with the last of them.
 *
 * @module
 */
import type { Binding } from "../platform/binding.ts";
import { binding } from "../platform/runtime.ts";
import { RuntimeDirectory } from "../memory/directory.ts";
import { NodeLayout } from "../memory/layout.ts";
import { createNode, isNodeDead, openNode, reapNode, removeNode, sweep } from "../memory/nodes.ts";
import type { Segment } from "../memory/segment.ts";
import { Reactor } from "./reactor.ts";

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

const realms = new Map<string, Realm>();

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
  /** Called when the realm ends, while it still works. */
  readonly onEnd: Set<() => void> = new Set();
  readonly #segment: Segment;
  readonly #peers = new Map<string, Peer>();
  readonly #closers = new Set<() => void>();
  #closed = false;

  private constructor(loaded: Binding, directory: RuntimeDirectory) {
    this.binding = loaded;
    this.directory = directory;
    const { id, segment } = createNode(loaded, directory);
    this.id = id;
    this.#segment = segment;
    try {
      this.reactor = new Reactor(loaded, directory, segment, () => this.#checkPeers());
    } catch (error) {
      removeNode(directory, id);
      segment.close();
      throw error;
    }
  }

  /**
   * The realm of a directory (default: `CAUSEWAY_DIR` or the user's own) for one
   * more user, who gives `closer` to {@linkcode Realm.release}. `closer` is called
   * when the process or worker ends before that.
   */
  static async acquire(directory: string | undefined, closer: () => void): Promise<Realm> {
    const loaded = await binding();
    const runtimeDirectory = new RuntimeDirectory(loaded, directory);
    let realm = realms.get(runtimeDirectory.root);
    if (realm === undefined) {
      realm = new Realm(loaded, runtimeDirectory);
      realms.set(runtimeDirectory.root, realm);
      closeOnExit(loaded);
    }
    realm.#closers.add(closer);
    return realm;
  }

  /**
   * Makes something that is open in the realm of a directory and that gives the `closer` it gets
   * to {@linkcode Realm.release} when it closes; `close` does that when the process or worker ends.
   */
  static async open<T>(
    directory: string | undefined,
    make: (realm: Realm, closer: () => void) => T,
    close: (made: T) => void,
  ): Promise<T> {
    let made: T | undefined;
    const closer = (): void => {
      if (made !== undefined) close(made);
    };
    const realm = await Realm.acquire(directory, closer);
    try {
      return made = make(realm, closer);
    } catch (error) {
      realm.release(closer);
      throw error;
    }
  }

  /** Does something with the realm of a directory, which lives on if the task uses it. */
  static async visit<T>(directory: string | undefined, task: (realm: Realm) => T): Promise<T> {
    const closer = (): void => {};
    const realm = await Realm.acquire(directory, closer);
    try {
      return task(realm);
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
    if (this.#closers.size > 0 || this.#closed) return;
    this.#closed = true;
    realms.delete(this.directory.root);
    for (const end of [...this.onEnd]) end();
    const segment = this.#segment;
    // We may be the last to know of somebody who died and was nobody's peer.
    if (segment.u32(NodeLayout.deaths) !== 0) sweep(this.binding, this.directory);
    this.reactor.close(() => segment.close());
    this.#peers.clear();
    removeNode(this.directory, this.id);
  }

  /** Closes everything that is open in this realm. */
  closeAll(): void {
    for (const closer of [...this.#closers]) closer();
  }

  /** Uses a peer's node; `undefined` if it is dead. Give it back with {@linkcode Realm.releasePeer}. */
  acquirePeer(id: string): Peer | undefined {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      const segment = id === this.id ? this.#segment : openNode(this.binding, this.directory, id);
      if (segment === undefined) return undefined;
      // A death before now is one that nobody will tell us of.
      if (id !== this.id && !segment.isLeaseHeld()) {
        segment.close();
        reapNode(this.directory, id);
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

  /** Is there proof that a node is dead? If so, what it left is removed. */
  isDead(id: string): boolean {
    return id !== this.id && isNodeDead(this.binding, this.directory, id);
  }

  #checkPeers(): void {
    for (const look of this.onDeathHint) look();
    for (const peer of [...this.#peers.values()]) {
      if (peer.id === this.id || !peer.segment.mapped || peer.segment.isLeaseHeld()) continue;
      this.#peers.delete(peer.id);
      reapNode(this.directory, peer.id);
      for (const tell of [...peer.onDeath]) tell();
    }
  }
}

let registered = false;

function closeOnExit(loaded: Binding): void {
  if (registered) return;
  registered = true;
  loaded.onExit(() => {
    for (const realm of [...realms.values()]) realm.closeAll();
  });
  // A reactor that is awake isn't called from its watcher's thread.
  loaded.onFault(() => {
    for (const realm of realms.values()) realm.reactor.stayAwake();
  });
}
