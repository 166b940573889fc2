/**
 * Several members of one queue in this realm, below the public names.
 */
import { checkQueue, ChunkPool, queueBytes } from "../../src/queue/pool.ts";
import { ChunkReader } from "../../src/queue/reader.ts";
import { ChunkWriter } from "../../src/queue/writer.ts";
import { Kind } from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { joinMember } from "../support/realm.ts";
import { Scratch } from "../support/scratch.ts";

/** One member: it can write and read. */
export class Ends {
  readonly member: number;
  readonly segment: Segment;
  readonly pool: ChunkPool;
  readonly writer: ChunkWriter;
  readonly reader: ChunkReader;
  readonly membership: Membership;

  constructor(membership: Membership) {
    this.membership = membership;
    this.member = membership.index;
    this.segment = membership.segment;
    this.pool = new ChunkPool(membership.segment);
    this.writer = new ChunkWriter(this.pool, membership.members, membership.index);
    this.reader = new ChunkReader(this.pool, membership.members, membership.index);
  }

  /** Appends a text. */
  put(text: string): boolean {
    return this.writer.put(encoder.encode(text));
  }

  /** Claims the next message, as done or to keep it. */
  claim(keep = false): string | undefined {
    const claimed = this.reader.claim(keep);
    this.reader.release();
    return claimed ? decoder.decode(this.reader.payload) : undefined;
  }

  /** All that can be claimed now. */
  drain(): string[] {
    const texts: string[] = [];
    for (let text = this.claim(); text !== undefined; text = this.claim()) texts.push(text);
    return texts;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Runs a task with a function that makes one more member of a queue. */
export async function withEnds(
  capacity: number,
  task: (join: () => Promise<Ends>, scratch: Scratch) => void | Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const joined: Ends[] = [];
  const parameters = {
    folder: "queue",
    name: "ends",
    encoded: "ends",
    kind: Kind.queue,
    dataBytes: queueBytes,
    capacity,
    defaultCapacity: capacity,
  };
  const hooks = { check: checkQueue, recover: () => {} };
  const join = async (): Promise<Ends> => {
    const ends = new Ends(await joinMember(scratch.path, parameters, hooks));
    joined.push(ends);
    return ends;
  };
  try {
    await task(join, scratch);
  } finally {
    for (const { membership } of joined) membership.leave();
  }
}
