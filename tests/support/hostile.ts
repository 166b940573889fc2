/**
 * A partner that does what no correct one does: it works on the shared memory
 * directly. To the library it is another realm, with a node and a lease of its own.
 */
import fs from "node:fs";
import { writeSide } from "../../src/connection/handshake.ts";
import {
  ConnectionLayout,
  connectionPages,
  Header,
  Kind,
  RingWords,
  ServerLayout,
  Side,
} from "../../src/memory/layout.ts";
import { readNodeId } from "../../src/memory/names.ts";
import { createNode, openNode, removeNode } from "../../src/memory/nodes.ts";
import { Segment } from "../../src/memory/segment.ts";
import { RingConsumer } from "../../src/ring/consumer.ts";
import { RingProducer } from "../../src/ring/producer.ts";
import { ring } from "../../src/wake/doorbell.ts";
import { native } from "./scratch.ts";
import type { Scratch } from "./scratch.ts";

/** See the file. It answers the invitation of a channel or of a client. */
export class HostilePartner implements Disposable {
  readonly id: string;
  readonly segment: Segment;
  readonly capacity: number;
  readonly #node: Segment;
  readonly #victim: Segment;
  readonly #scratch: Scratch;

  /** `folder` is where the victim's invitation is. */
  constructor(scratch: Scratch, folder: [string, string]) {
    this.#scratch = scratch;
    const node = createNode(native, scratch.directory);
    this.id = node.id;
    this.#node = node.segment;
    const file = fs.readdirSync(scratch.at(...folder)).find((name) => name.startsWith("join-"))!;
    this.segment = Segment.open(native, scratch.at(...folder, file), Kind.connection)!;
    this.capacity = this.segment.u32(Header.capacity);
    const victim = readNodeId(this.segment.bytes, ConnectionLayout.a + Side.node);
    this.#victim = openNode(native, scratch.directory, victim)!;
  }

  /** Answers the invitation. */
  answer(node = this.id, source = 0): void {
    writeSide(this.segment, "b", node, source);
    this.ring();
  }

  /** Tells the victim that there is something. */
  ring(): void {
    ring(native.shim, this.#victim, this.segment.u32(ConnectionLayout.a + Side.source));
  }

  /** The end of the ring that the victim reads. */
  producer(): RingProducer {
    const { ringBA, data } = ConnectionLayout;
    return new RingProducer(this.segment, ringBA, data + this.capacity, this.capacity);
  }

  /** The end of the ring that the victim writes. */
  consumer(): RingConsumer {
    const { ringAB, data } = ConnectionLayout;
    return new RingConsumer(this.segment, ringAB, data, this.capacity);
  }

  /** Writes the consumer's word of the ring that the victim writes. */
  setHead(value: number): void {
    this.segment.setU32(ConnectionLayout.ringAB + RingWords.head, value);
  }

  /** The data of the ring that the victim reads. */
  get data(): Int32Array {
    const from = (ConnectionLayout.data + this.capacity) >> 2;
    return this.segment.words.subarray(from, from + (this.capacity >> 2));
  }

  /** Dies, as a process does: nothing is cleaned up. */
  die(): void {
    this.segment.close();
    this.#victim.close();
    this.#node.close();
  }

  [Symbol.dispose](): void {
    this.die();
    removeNode(this.#scratch.directory, this.id);
  }
}

/** A client that announcements at a server's door with a segment of its own making. */
export class HostileClient implements Disposable {
  readonly segment: Segment;
  readonly #node: { id: string; segment: Segment };
  readonly #server: Segment;
  readonly #source: Segment;
  readonly #scratch: Scratch;
  readonly #file: string;

  constructor(scratch: Scratch, name: string, capacity: number, codec: number) {
    this.#scratch = scratch;
    this.#node = createNode(native, scratch.directory);
    const folder = scratch.at("rpc", name);
    const server = fs.readdirSync(folder).find((file) => file.startsWith("server-"))!;
    this.#source = Segment.open(native, `${folder}/${server}`, Kind.server)!;
    this.#server = openNode(native, scratch.directory, this.#source.creator)!;
    this.#file = `rpc-clients/${name}/join-0-1-${this.#node.id}`;
    scratch.directory.within(["rpc-clients", name], () => {});
    this.segment = scratch.segment(`${this.#file}.new`, {
      pages: connectionPages(capacity),
      creator: this.#node.id,
      capacity,
      codec,
    });
    writeSide(this.segment, "a", this.#node.id, 0);
  }

  /** Asks to be let in. */
  announce(): void {
    this.#scratch.directory.rename(`${this.segment.path}`, this.#scratch.at(this.#file));
    Atomics.add(this.#source.words, ServerLayout.announcements >> 2, 1);
    ring(native.shim, this.#server, this.#source.u32(ServerLayout.source));
  }

  /** Tells the server's end of the connection that there is something. */
  ring(): void {
    ring(native.shim, this.#server, this.segment.u32(ConnectionLayout.b + Side.source));
  }

  /** Dies, as a process does. */
  die(): void {
    this.segment.close();
    this.#source.close();
    this.#server.close();
    this.#node.segment.close();
  }

  [Symbol.dispose](): void {
    this.die();
    this.#scratch.directory.removeFile(this.#scratch.at(this.#file));
    removeNode(this.#scratch.directory, this.#node.id);
    this.#scratch.directory.prune(["rpc-clients", this.#file.split("/")[1]!]);
  }
}
