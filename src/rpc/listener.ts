/**
 * Publishes a server under its name and accepts clients.
 *
 *     <root>/rpc/<name>/server-<source>-<node>                    the server
 *     <root>/rpc-clients/<name>/join-<source>-<count>-<node>      clients that want in
 *
 * A client publishes its invitation and announcements if there is a server; a server
 * that starts looks for invitations that wait. So neither has to come first. The
 * file of a client goes as soon as it was let in or refused.
 *
 * @module
 */
import { Connection } from "../connection/connection.ts";
import type { ConnectionHandler } from "../connection/handler.ts";
import type { ConnectionLimits } from "../connection/options.ts";
import { codecId } from "../codec/codec_id.ts";
import {
  INVITATION,
  keepCapacity,
  offeredCapacity,
  readSide,
  writeRefusal,
  writeSide,
} from "../connection/handshake.ts";
import { newConnectionCounters, sumOf } from "../statistics.ts";
import type { ConnectionStatistics } from "../statistics.ts";
import { CausewayError, isShortage, NameTakenError } from "../errors.ts";
import { Header, Kind, Refusal, ServerLayout, SideState } from "../memory/layout.ts";
import { Segment, writeText } from "../memory/segment.ts";
import { Polled } from "../wake/reactor.ts";
import type { Handle } from "../wake/handle.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { Retry } from "../wake/retry.ts";
import { CLIENTS, SERVER, SERVERS } from "./folders.ts";

/** What a listener does with a client that it accepts. */
export interface ListenerOptions {
  readonly name: string;
  /** The name as a file name. */
  readonly encoded: string;
  readonly maxConnections: number;
  /** The only capacity to accept, or 0. */
  readonly capacity: number;
  readonly codec: string;
  readonly limits: ConnectionLimits;
  /** Makes the handler for a new connection; `onGone` must be told when it is gone. */
  readonly serve: (onGone: () => void) => {
    handler: ConnectionHandler;
    onOpen(connection: Connection): void;
  };
}

/** See the module. */
export class Listener {
  readonly #handle: Handle;
  readonly #realm: Realm;
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Connection>();
  /** What the connections did that have ended. */
  #past: ConnectionStatistics = newConnectionCounters();
  #segment!: Segment;
  #path = "";
  #announcements = 0;
  /** Invitations that weren't looked at yet, the first one last. */
  #found: string[] = [];
  /** Some couldn't be accepted for want of descriptors or memory. */
  #isShort = false;
  readonly #retry: Retry;
  /** A connection is gone: ends a server whose files were removed with the last. */
  #lookWhetherInUse: () => void = () => {};

  private constructor(handle: Handle, options: ListenerOptions) {
    this.#handle = handle;
    this.#realm = handle.realm;
    this.#options = options;
    this.#retry = new Retry(
      handle,
      () => this.#acceptAll(),
    );
  }

  /** Publishes the server. @throws {NameTakenError} A living server has the name. */
  static async open(
    handle: Handle,
    options: ListenerOptions,
    signal?: AbortSignal,
  ): Promise<Listener> {
    const listener = new Listener(handle, options);
    const { realm } = handle;
    const parts = [SERVERS, options.encoded];
    try {
      const made = await realm.locked(parts, (path) => listener.#claim(path), signal);
      listener.#segment = made.segment;
      listener.#path = made.path;
    } catch (error) {
      realm.directory.prune(parts);
      throw error;
    }
    handle.onClose(() => listener.#close());
    handle.attach({ poll: () => listener.#poll(), arm: () => listener.#arm() });
    listener.#lookWhetherInUse = handle.endWhenRemoved(() => listener.#connections.size > 0);
    if (!handle.isClosed) listener.#acceptAll();
    return listener;
  }

  #claim(folder: string): { segment: Segment; path: string } {
    const { directory } = this.#realm;
    for (const file of directory.list(folder)) {
      if (!file.startsWith(SERVER)) continue;
      const path = `${folder}/${file}`;
      if (isServing(this.#realm, path)) {
        throw new NameTakenError(
          `a server "${this.#options.name}" is running already: close it, or use another name`,
        );
      }
      directory.removeFile(path);
    }
    return this.#publish(folder);
  }

  #publish(folder: string): { segment: Segment; path: string } {
    const { binding, directory, id } = this.#realm;
    const { name, capacity, codec, maxConnections } = this.#options;
    const file = `${SERVER}${this.#handle.index}-${id}`;
    const segment = Segment.create(binding, `${folder}/new-${file}`, {
      kind: Kind.server,
      pages: ServerLayout.pages,
      creator: id,
      capacity,
      codec: codecId(codec),
    })!;
    writeText(segment, ServerLayout.name, ServerLayout.nameBytes, name);
    segment.setU32(ServerLayout.source, this.#handle.index);
    segment.setU32(ServerLayout.limit, Math.min(maxConnections, 0xffff_ffff));
    segment.setU32(ServerLayout.state, SideState.open);
    segment.releaseFile();
    const path = `${folder}/${file}`;
    directory.rename(`${folder}/new-${file}`, path);
    return { segment, path };
  }

  /** Connections that are open. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** What all connections did so far. */
  get statistics(): ConnectionStatistics {
    return [...this.#connections].reduce(
      (sum, { statistics }) => sumOf(sum, statistics),
      this.#past,
    );
  }

  #poll(): Polled {
    const announcements = this.#segment.u32(ServerLayout.announcements);
    if (announcements !== this.#announcements) {
      this.#announcements = announcements;
      this.#acceptAll();
    } else if (this.#found.length > 0) {
      this.#acceptFound();
    } else {
      return Polled.nothing;
    }
    return Polled.resolved;
  }

  /** A client that announces itself rings without being asked. */
  #arm(): boolean {
    return this.#found.length === 0 &&
      this.#segment.u32(ServerLayout.announcements) === this.#announcements;
  }

  /** Accepts all that wait. What fails for want of descriptors or memory is tried again. */
  #acceptAll(): void {
    const folder = this.#realm.directory.path(CLIENTS, this.#options.encoded);
    try {
      const files = this.#realm.directory.list(folder);
      const found = files.filter((file) => file.startsWith(INVITATION)).reverse();
      this.#found = found.map((file) => `${folder}/${file}`);
    } catch (error) {
      if (!isShortage(error)) throw error;
      this.#handle.reportPeer(error);
      this.#isShort = true;
    }
    this.#acceptFound();
  }

  /** Accepts what was found, the event loop having its turns: there may be much that is garbage. */
  #acceptFound(): void {
    const { yielder } = this.#realm.reactor;
    for (let path = this.#found.pop(); path !== undefined; path = this.#found.pop()) {
      if (!this.#tryAccept(path)) this.#isShort = true;
      if (this.#handle.isClosed) return;
      if (yielder.isDue() && this.#found.length > 0) return this.#handle.heat();
    }
    this.#realm.directory.prune([CLIENTS, this.#options.encoded]);
    if (this.#isShort) this.#retry.later();
    else this.#retry.succeeded();
    this.#isShort = false;
  }

  /** False if it has to be tried again. An invitation that makes no sense is removed. */
  #tryAccept(path: string): boolean {
    try {
      this.#accept(path);
    } catch (error) {
      if (!(error instanceof CausewayError)) throw error;
      this.#handle.reportPeer(error);
      if (isShortage(error)) return false;
      this.#realm.directory.removeFile(path);
    }
    return true;
  }

  #accept(path: string): void {
    const { binding, directory } = this.#realm;
    const segment = Segment.open(binding, path, Kind.connection);
    if (segment === undefined) return;
    segment.releaseFile();
    let isAccepted = false;
    try {
      const client = readSide(segment, "a");
      // One that was answered by a server that died then comes again with a new invitation.
      const waits = client.state === SideState.open &&
        readSide(segment, "b").state === SideState.absent;
      const peer = waits ? this.#realm.acquirePeer(client.node) : undefined;
      if (peer !== undefined) isAccepted = this.#answer(segment, peer, client.source);
      // Not before there is an answer: if we die, the next server must find what still waits.
      directory.removeFile(path);
    } finally {
      if (!isAccepted) segment.close();
    }
  }

  #answer(segment: Segment, peer: Peer, source: number): boolean {
    const { reactor } = this.#realm;
    const refusal = this.#refusalFor(segment);
    if (refusal !== undefined) {
      writeRefusal(segment, refusal.reason, refusal.value);
      reactor.ring(peer.segment, source);
      this.#realm.releasePeer(peer);
      return false;
    }
    let index: number;
    try {
      index = reactor.reserve();
    } catch (error) {
      this.#realm.releasePeer(peer);
      throw error;
    }
    if (this.#options.capacity !== 0) keepCapacity(segment);
    writeSide(segment, "b", this.#realm.id, index);
    this.#connect(segment, index, peer);
    reactor.ring(peer.segment, source);
    return true;
  }

  #refusalFor(segment: Segment): { reason: number; value: number } | undefined {
    const { maxConnections, capacity, codec } = this.#options;
    if (this.#connections.size >= maxConnections) this.#noticeEnds();
    if (this.#connections.size >= maxConnections) {
      return { reason: Refusal.connectionLimit, value: maxConnections };
    }
    const ours = codecId(codec);
    if (segment.u32(Header.codec) !== ours) return { reason: Refusal.codec, value: ours };
    if (capacity !== 0 && offeredCapacity(segment) !== capacity) {
      return { reason: Refusal.capacity, value: capacity };
    }
    return undefined;
  }

  /** Some may have closed already, and nobody has looked yet. */
  #noticeEnds(): void {
    for (const connection of [...this.#connections]) connection.poll();
  }

  #connect(segment: Segment, index: number, peer: Peer): void {
    const { name, limits, serve } = this.#options;
    const { handler, onOpen } = serve(() => {
      this.#connections.delete(connection);
      this.#past = sumOf(this.#past, connection.statistics);
      this.#countConnections();
      this.#lookWhetherInUse();
    });
    const connection = new Connection(
      this.#realm,
      segment,
      "b",
      name,
      index,
      peer,
      handler,
      limits,
    );
    this.#connections.add(connection);
    this.#countConnections();
    onOpen(connection);
  }

  #countConnections(): void {
    if (!this.#handle.isClosed) {
      this.#segment.setU32(ServerLayout.connections, this.#connections.size);
    }
  }

  /** Takes the name away and closes all connections. */
  #close(): void {
    const { directory } = this.#realm;
    this.#segment.setU32(ServerLayout.state, SideState.closed);
    for (const connection of this.#connections) connection.close();
    this.#past = this.statistics;
    this.#connections.clear();
    this.#segment.close();
    this.#realm.eventually(() => {
      directory.removeFile(this.#path);
      directory.prune([SERVERS, this.#options.encoded]);
    });
  }
}

/** Does the server of this file live and accept clients? */
function isServing(realm: Realm, path: string): boolean {
  const segment = Segment.open(realm.binding, path, Kind.server);
  if (segment === undefined) return false;
  try {
    return segment.u32(ServerLayout.state) === SideState.open && !realm.isDead(segment.creator);
  } finally {
    segment.close();
  }
}
