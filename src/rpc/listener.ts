/**
 * The door of a server: it publishes the server under its name and lets clients in.
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
  offeredCapacity,
  readSide,
  writeRefusal,
  writeSide,
} from "../connection/handshake.ts";
import { CausewayError, NameTakenError } from "../errors.ts";
import { Header, Kind, Refusal, ServerLayout, SideState } from "../memory/layout.ts";
import { Segment, writeText } from "../memory/segment.ts";
import { Polled } from "../wake/reactor.ts";
import type { Source } from "../wake/reactor.ts";
import type { Peer, Realm } from "../wake/realm.ts";
import { CLIENTS, SERVER, SERVERS } from "./folders.ts";

/** What a listener does with a client that was let in. */
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
  readonly welcome: (onGone: () => void) => {
    handler: ConnectionHandler;
    onOpen(connection: Connection): void;
  };
  /** Told of clients that can't be let in. */
  readonly onError: (error: unknown) => void;
}

/** See the module. */
export class Listener implements Source {
  readonly #realm: Realm;
  readonly #options: ListenerOptions;
  readonly #connections = new Set<Connection>();
  readonly #source: number;
  readonly #segment: Segment;
  readonly #path: string;
  #announcements = 0;
  #open = true;

  /** Publishes the server. @throws {NameTakenError} A living server has the name. */
  constructor(realm: Realm, options: ListenerOptions) {
    this.#realm = realm;
    this.#options = options;
    this.#source = realm.reactor.reserve();
    try {
      const made = realm.directory.locked([SERVERS, options.encoded], (path) => this.#claim(path));
      this.#segment = made.segment;
      this.#path = made.path;
    } catch (error) {
      realm.reactor.remove(this.#source);
      realm.directory.prune([SERVERS, options.encoded]);
      throw error;
    }
    realm.reactor.attach(this.#source, this);
    this.#admitAll();
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
    const file = `${SERVER}${this.#source}-${id}`;
    const segment = Segment.create(binding, `${folder}/new-${file}`, {
      kind: Kind.server,
      pages: ServerLayout.pages,
      creator: id,
      capacity,
      codec: codecId(codec),
    })!;
    writeText(segment, ServerLayout.name, ServerLayout.nameBytes, name);
    segment.setU32(ServerLayout.source, this.#source);
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

  /** See {@linkcode Source}. */
  poll(): Polled {
    if (!this.#open) return Polled.nothing;
    const announcements = this.#segment.u32(ServerLayout.announcements);
    if (announcements === this.#announcements) return Polled.nothing;
    this.#announcements = announcements;
    try {
      this.#admitAll();
    } catch (error) {
      // Out of descriptors, for one: who is connected has no part in it.
      if (!(error instanceof CausewayError)) throw error;
      this.#options.onError(error);
    }
    return Polled.resolved;
  }

  /** See {@linkcode Source}: who announcements rings without being asked. */
  arm(): boolean {
    return !this.#open || this.#segment.u32(ServerLayout.announcements) === this.#announcements;
  }

  #admitAll(): void {
    const { directory } = this.#realm;
    const folder = directory.path(CLIENTS, this.#options.encoded);
    for (const file of directory.list(folder)) {
      if (!file.startsWith(INVITATION)) continue;
      try {
        this.#admit(`${folder}/${file}`);
      } catch (error) {
        if (!(error instanceof CausewayError)) throw error;
        directory.removeFile(`${folder}/${file}`);
        this.#options.onError(error);
      }
      if (!this.#open) return;
    }
    directory.prune([CLIENTS, this.#options.encoded]);
  }

  #admit(path: string): void {
    const { binding, directory } = this.#realm;
    const segment = Segment.open(binding, path, Kind.connection);
    if (segment === undefined) return;
    segment.releaseFile();
    let admitted = false;
    try {
      const client = readSide(segment, "a");
      // Who was answered already, by a server that died then, comes again with a new invitation.
      const waits = client.state === SideState.open &&
        readSide(segment, "b").state === SideState.absent;
      const peer = waits ? this.#realm.acquirePeer(client.node) : undefined;
      if (peer !== undefined) admitted = this.#answer(segment, peer, client.source);
    } finally {
      // Not before there is an answer: if we die, the next server must find who still waits.
      directory.removeFile(path);
      if (!admitted) segment.close();
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
    const index = reactor.reserve();
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
    const { name, limits, welcome } = this.#options;
    const { handler, onOpen } = welcome(() => {
      this.#connections.delete(connection);
      this.#countConnections();
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
    if (this.#open) this.#segment.setU32(ServerLayout.connections, this.#connections.size);
  }

  /** Takes the name away and closes all connections. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#segment.setU32(ServerLayout.state, SideState.closed);
    this.#realm.directory.removeFile(this.#path);
    this.#realm.reactor.remove(this.#source);
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
    this.#segment.close();
    this.#realm.directory.prune([SERVERS, this.#options.encoded]);
  }
}

/** Does the server of this file live and let clients in? */
function isServing(realm: Realm, path: string): boolean {
  const segment = Segment.open(realm.binding, path, Kind.server);
  if (segment === undefined) return false;
  try {
    return segment.u32(ServerLayout.state) === SideState.open && !realm.isDead(segment.creator);
  } finally {
    segment.close();
  }
}
