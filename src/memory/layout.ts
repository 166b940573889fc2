/**
 * The layout of every kind of segment. `docs/protocol.md` says the same in
 * prose; `tests/memory/golden.test.ts` holds both against real bytes.
 *
 * All numbers are little-endian. Words that two processes write live 128 bytes
 * apart: a cache line is 64 bytes, and Intel's prefetcher fetches pairs of them.
 *
 * @module
 */

/** Bytes `CWAY`. */
export const MAGIC = 0x59415743;
/** Changes with every change of a layout or of the meaning of a word. */
export const LAYOUT_VERSION = 1;
/** The unit of a segment's size. */
export const PAGE = 4096;

/** What a segment is for. */
export const Kind = {
  node: 1,
  connection: 2,
  server: 3,
  member: 4,
  publisher: 5,
  queue: 6,
  pipe: 7,
  memory: 8,
  mutex: 9,
  rwlock: 10,
  event: 11,
  ring: 12,
} as const;
/** A value of {@linkcode Kind}. */
export type Kind = (typeof Kind)[keyof typeof Kind];

/** The name of a kind, for messages. */
export function kindName(kind: number): string {
  const entry = Object.entries(Kind).find(([, number]) => number === kind);
  return entry?.[0] ?? `unknown (${kind})`;
}

/**
 * The header that starts every segment.
 *
 *     0        4        8        12       16                       32
 *     +--------+--------+--------+--------+------------------------+
 *     | magic  | version| kind   | pages  | random id (16 bytes)   |
 *     +--------+--------+--------+--------+----------+-------------+
 *     | creator node id | created, ms (f64)          | capacity    |
 *     +-----------------+----------------------------+--+----------+
 *     32                40                           48 | codec    |
 *                                                       52         56
 */
export const Header = {
  magic: 0,
  version: 4,
  kind: 8,
  pages: 12,
  id: 16,
  creator: 32,
  created: 40,
  capacity: 48,
  codec: 52,
} as const;

/** Sources a node can have: one bit each in the ready bitmap. */
export const MAX_SOURCES = 32768;

/**
 * A node: one realm that uses the library. Its owner holds the lease of the file.
 *
 *     0     header
 *     128   bell: the doorbell word, see `csrc/causeway.h` for its values
 *     256   block: counts wakes of a thread that waits in a blocking call
 *     384   deaths: counts hints that some node may have died
 *     512   top: bit i says that summary word i may have bits
 *     640   summary: 32 words; bit j of word i says that ready word 32 i + j may have bits
 *     1024  description: length (u32), then UTF-8 JSON: runtime and process, for people
 *     4096  ready: 1024 words; bit k of word n says that source 32 n + k may have work
 */
export const NodeLayout = {
  bell: 128,
  block: 256,
  deaths: 384,
  top: 512,
  summary: 640,
  description: 1024,
  descriptionBytes: 3068,
  ready: 4096,
  pages: 2,
} as const;

/** States of one side of a connection. */
export const SideState = { absent: 0, open: 1, closed: 2, refused: 3 } as const;

/** Why a server refused a connection. */
export const Refusal = { connectionLimit: 1, codec: 2, capacity: 3 } as const;

/**
 * One side of a connection, at 128 (a: the creator) and at 256 (b: the side that joined).
 *
 *     +0   node id (8 bytes)
 *     +8   source: index in that node's ready bitmap
 *     +12  state: 0 absent, 1 open, 2 closed, 3 refused
 *     +16  refusal: why (b only)
 *     +20  refusal: the value of the side that refused
 */
export const Side = { node: 0, source: 8, state: 12, refusal: 16, value: 20 } as const;

/**
 * The words of a ring, relative to its start, each on cache lines of its own.
 * There is no tail: the record itself says whether it is there, see
 * `src/ring/record.ts`.
 *
 *     +0    head: bytes ever read, wraps at 2^32 (consumer)
 *     +128  consumer waiting: set by the consumer, cleared by the producer that rings
 *     +256  producer waiting: set by the producer, cleared by the consumer that rings
 */
export const RingWords = {
  head: 0,
  consumerWaiting: 128,
  producerWaiting: 256,
} as const;

/**
 * A connection: two rings, one each way.
 *
 *     0     header; capacity: data bytes of each ring
 *     128   side a
 *     256   side b
 *     384   grows: 1 if its rings may be replaced by larger ones
 *     512   words of the ring from a to b
 *     1024  words of the ring from b to a
 *     2048  name: length (u32), then UTF-8 (cut at 2044 bytes)
 *     4096  data of the ring from a to b, then of the ring from b to a
 */
export const ConnectionLayout = {
  a: 128,
  b: 256,
  grows: 384,
  ringAB: 512,
  ringBA: 1024,
  name: 2048,
  nameBytes: 2044,
  data: 4096,
} as const;

/**
 * A ring that replaces a smaller one of a connection: see `src/connection/ring_growth.ts`.
 *
 *     0     header; capacity: data bytes
 *     128   taken: 1 when the consumer has opened it
 *     512   words
 *     4096  data
 */
export const RingLayout = { taken: 128, words: 512, data: 4096 } as const;

/**
 * A server: what a client must know to announce.
 *
 *     0     header; capacity: 0 or the only ring capacity it accepts; codec
 *     128   source: source index in the creator's ready bitmap
 *     132   state: 1 open, 2 closed
 *     136   connection limit
 *     256   announcements: counts clients that want in
 *     384   connections: how many are open now, for tools
 *     2048  name: length (u32), then UTF-8 (cut at 2044 bytes)
 */
export const ServerLayout = {
  source: 128,
  state: 132,
  limit: 136,
  announcements: 256,
  connections: 384,
  name: 2048,
  nameBytes: 2044,
  pages: 1,
} as const;

/** The most members that a membership can have. */
export const MAX_MEMBERS = 256;

/**
 * A membership: a segment that all members of a name share, and that goes with the last
 * of them. Queues, pipes, shared memory and locks are one.
 *
 *     0     header
 *     128   members: how many slots were ever used; those behind were not
 *     132   generation: tells a lock from others of its name, see `src/memory/claims.ts`
 *     256   words of the pattern, see its own layout
 *     2048  name: length (u32), then UTF-8 (cut at 2044 bytes)
 *     4096  slots of 256 members, see {@linkcode Member}
 *     20480 data of the pattern
 */
export const MembershipLayout = {
  used: 128,
  generation: 132,
  words: 256,
  name: 2048,
  nameBytes: 2044,
  slots: 4096,
  data: 20480,
  /** Pages before the data. */
  pages: 5,
} as const;

/**
 * A member of a membership, on a cache line of its own.
 *
 *     +0   state: 0 free, 1 joined
 *     +4   source: index in its node's ready bitmap
 *     +8   node id (8 bytes)
 *     +16  waiting: not 0 if it wants to be rung; set by the member, cleared by the ringer
 *     +20  words of the pattern, see its own layout
 */
export const Member = { state: 0, source: 4, node: 8, waiting: 16, words: 20, bytes: 64 } as const;

/**
 * Shared memory: a membership whose data are the user's bytes. Its capacity is the
 * data's size in pages.
 *
 *     256   size in bytes: low word, high word
 *     264   element type of a shared array: index in `ELEMENT_TYPES` plus 1, 0 for bytes
 */
export const MemoryLayout = { sizeLow: 256, sizeHigh: 260, element: 264 } as const;

/**
 * A mutex: a membership without data.
 *
 *     256   owner: 0 free, slot of the member that holds it plus 1; bit 31: abandoned
 *     384   contended: not 0 if a member may wait
 */
export const MutexLayout = { owner: 256, contended: 384 } as const;

/**
 * A read-write lock: a membership without data.
 *
 *     256   writer: 0 none, slot of the member that writes or wants to plus 1; bit 30: it
 *           writes; bit 31: abandoned
 *     384   contended: not 0 if a member may wait for the writer
 *
 * Each member's first own word counts its readers.
 */
export const RwLockLayout = { writer: 256, contended: 384 } as const;

/**
 * An event: a membership without data.
 *
 *     256   mode: 1 stays set, 2 resets itself
 *     384   state: 1 set; with mode 2: how many may pass
 *     512   sets: counts how often it became set, wraps at 2^32
 *     640   contended: not 0 if a member may wait
 *
 * Each member's first own word counts the waits in it.
 */
export const EventLayout = { mode: 256, state: 384, sets: 512, contended: 640 } as const;

/** Chunks of a queue. */
export const QUEUE_CHUNKS = 32;

/**
 * A queue: a membership whose data are 32 chunks of records, capacity / 32 bytes each.
 *
 *     256   changes: counts chunks that were begun, and records that became ready again
 *     384   orders: how many chunks were begun, wraps at 2^32
 *     512   wantMessage: bit j of word i: member 32 i + j sleeps until there is a message
 *     640   wantRoom: the same for room
 *     20480 chunks: headers of the chunks, see {@linkcode QueueChunk}
 *     24576 data of the chunks
 *
 * Each member's first own word is its hazard: the chunk that it reads plus 1, or 0.
 */
export const QueueLayout = {
  changes: 256,
  orders: 384,
  wantMessage: 512,
  wantRoom: 640,
  chunks: 20480,
  data: 24576,
} as const;

/**
 * The header of a chunk, of 128 bytes.
 *
 *     +0   state: see {@linkcode ChunkState}; from bit 8 on the member that holds it
 *     +4   order: its number among all chunks begun; consumers read in this order
 *     +8   end: bytes of records in it; its holder writes it after the records
 *     +12  done: bytes at its start that are known to be done
 *     +64  rewinds: counts records in it that became ready again
 */
export const QueueChunk = {
  state: 0,
  order: 4,
  end: 8,
  done: 12,
  rewinds: 64,
  bytes: 128,
} as const;

/** States of a chunk of a queue; `filling` and `retired` have a holder. */
export const ChunkState = { free: 0, open: 1, full: 2, filling: 3, retired: 4 } as const;

/**
 * States of a record of a queue, in bits 0 to 3 of its first word. Bits 8 to 15 of a `taken` one
 * say which member holds it. Bits 16 to 30 count how often it was taken and given back, by its
 * holder or for a dead one; the count stops at its largest value.
 */
export const JobState = { unwritten: 0, ready: 1, taken: 2, done: 3 } as const;
/** See {@linkcode JobState}. */
export const RETURNS_SHIFT = 16;
/** See {@linkcode JobState}. */
export const MAX_RETURNS = 0x7fff;

/**
 * A pipe: a membership with a ring of slots that all have one size. Capacity: slots, a
 * power of two. Both counters wrap at 2^32; the slot of a message is its number
 * modulo the capacity.
 *
 *     256   head: messages that have arrived; written by the receiver
 *     384   tail: messages that were sent; written by the sender
 *     512   receiverWaiting: 1: the receiver relies on being rung
 *     640   senderWaiting: 1: the sender relies on being rung
 *     768   sender: the member, see {@linkcode Role}
 *     896   receiver: the same
 *     1024  messageBytes: the most bytes of a message
 *     1028  stride: bytes from one slot to the next
 *     1032  fixed: 1 if every message has messageBytes; 0 if its length is before it (u32)
 *     1152  codecName: length (u32), then UTF-8 (cut at 892 bytes)
 *     20480 slots
 */
export const PipeLayout = {
  head: 256,
  tail: 384,
  receiverWaiting: 512,
  senderWaiting: 640,
  sender: 768,
  receiver: 896,
  messageBytes: 1024,
  stride: 1028,
  fixed: 1032,
  codecName: 1152,
  codecNameBytes: 892,
  slots: 20480,
} as const;

/**
 * The word of a role: its holder, and how often it was taken.
 *
 *     bits 0-8   the member that has it, plus 1; 0: none
 *     bit 9      the last holder died
 *     bits 10-31 how often it was taken
 */
export const Role = { holder: 0x1ff, died: 0x200, taken: 0x400 } as const;

/**
 * Lock words, in place of a member: an earlier lock of that name may still be held, though its
 * file was removed; see `src/memory/claims.ts`.
 */
export const EARLIER = 511;

/** Lock words: the owner's or writer's death left what the lock guards as it was then. */
export const ABANDONED = 0x8000_0000 | 0;
/** Writer word of a read-write lock: the readers are out, and it writes. */
export const WRITING = 0x4000_0000;

/** States of a publisher. */
export const PublisherState = { open: 1, closed: 2 } as const;

/**
 * A publisher of a topic: its broadcast ring, and a slot for each subscriber.
 *
 *     0     header; capacity: data bytes of the ring; codec
 *     128   source: source index in the creator's ready bitmap
 *     132   state: 1 open, 2 closed
 *     136   slots: how many there are
 *     140   overtakes: 1 if it may overtake subscribers that block, see `maxLag`
 *     256   oldest: position of the oldest record that stays whole (publisher)
 *     384   wanted: bit 0: some subscriber waits; bit 1: some slot changed hands
 *     2048  name: length (u32), then UTF-8 (cut at 2044 bytes)
 *     4096  slots, see {@linkcode SubscriberSlot}; then data, from the next page on
 */
export const PublisherLayout = {
  source: 128,
  state: 132,
  slots: 136,
  overtakes: 140,
  oldest: 256,
  wanted: 384,
  name: 2048,
  nameBytes: 2044,
  table: 4096,
} as const;

/** Bits of the word `wanted` of a publisher. */
export const Wanted = { wake: 1, look: 2 } as const;

/** States of a subscriber's slot. */
export const SlotState = { free: 0, joining: 1, open: 2, cut: 3 } as const;

/** Values of the word `attached` of a slot. */
export const Attached = { no: 0, yes: 1, lagged: 2 } as const;

/** What a subscriber wants when it lags. */
export const LagPolicy = { block: 0, dropOldest: 1, disconnect: 2, latest: 3 } as const;
/** A value of {@linkcode LagPolicy}. */
export type LagPolicy = (typeof LagPolicy)[keyof typeof LagPolicy];

/**
 * A subscriber's slot in a publisher's table.
 *
 *     +0    state: 0 free, 1 joining, 2 open, 3 cut by the publisher
 *     +4    source: index in its node's ready bitmap
 *     +8    node id (8 bytes)
 *     +16   count: tells it from other subscribers of its node
 *     +20   policy: 0 block, 1 drop the oldest, 2 disconnect, 3 only the latest
 *     +24   history: how many of the last messages it wants
 *     +28   attached: 1 when the subscriber has mapped the ring, 2 when it left because it lagged
 *     +64   start: position of its first record (publisher)
 *     +68   sequence: number of that record, low word, then high word (publisher)
 *     +76   lag: counts how often the publisher overtook it, or was about to (publisher)
 *     +80   room wanted: the publisher waits for this one; cleared by the ringer
 *     +128  head: position up to which it has read (subscriber)
 *     +132  waiting: it wants to be rung at the next message; cleared by the publisher
 */
export const SubscriberSlot = {
  state: 0,
  source: 4,
  node: 8,
  count: 16,
  policy: 20,
  history: 24,
  attached: 28,
  start: 64,
  sequence: 68,
  lag: 76,
  roomWanted: 80,
  head: 128,
  waiting: 132,
  bytes: 256,
} as const;

/** The most slots that a publisher can have. */
export const MAX_SUBSCRIBERS = 4096;

/** Offset of a publisher's data. */
export function publisherData(slots: number): number {
  const end = PublisherLayout.table + slots * SubscriberSlot.bytes;
  return Math.ceil(end / PAGE) * PAGE;
}

/**
 * A subscriber of a topic, as a publisher that comes later finds it: one page.
 *
 *     0     header; codec
 *     128   announcements: counts publishers that came; written by them
 *     132   missed: counts publishers that came and ended without being heard; written by others
 *     256   policy: 0 block, 1 drop the oldest, 2 disconnect, 3 only the latest
 *     260   state: 0 open, 1 closed
 *     264   shortage: 1 while the subscriber lacks what it needs to open some publisher
 */
export const SubscriberLayout = {
  announcements: 128,
  missed: 132,
  policy: 256,
  state: 260,
  shortage: 264,
  pages: 1,
} as const;

/** The most publishers that have ended and that a subscriber which doesn't run may still hear. */
export const MAX_ENDED_PUBLISHERS = 64;

/** States of a subscriber. */
export const SubscriberState = { open: 0, closed: 1 } as const;

/** The least and the greatest capacity of a ring, in bytes; powers of two. */
export const MIN_CAPACITY = 4096;
/** See {@linkcode MIN_CAPACITY}. */
export const MAX_CAPACITY = 1 << 30;

/** Pages of a connection segment. */
export function connectionPages(capacity: number): number {
  return 1 + (2 * capacity) / PAGE;
}
