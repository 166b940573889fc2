/**
 * The folder of a topic: one file for each publisher and each subscriber.
 *
 *     <root>/topic/<name>/publisher-<source>-<count>-<node>    a ring, and a slot for each subscriber
 *     <root>/topic/<name>/subscriber-<source>-<count>-<node>   a subscriber's registration
 *     <root>/topic/<name>/invitation-…-<node>                  see `invitations.ts`
 *
 * Publishers and subscribers open under the lock of the folder. Closing needs no lock.
 *
 * @module
 */
import { codecId } from "../codec/codec_id.ts";
import { CorruptSegmentError } from "../errors.ts";
import {
  Header,
  Kind,
  LagPolicy,
  MAX_CAPACITY,
  MAX_SUBSCRIBERS,
  MIN_CAPACITY,
  PAGE,
  publisherData,
  PublisherLayout,
  SubscriberLayout,
} from "../memory/layout.ts";
import { isNodeId } from "../memory/names.ts";
import { Segment, writeText } from "../memory/segment.ts";
import type { Realm } from "../wake/realm.ts";

/** The folder of all topics in the runtime directory. */
export const FOLDER = "topic";
/** What the names of publishers' files begin with. */
export const PUBLISHER = "publisher-";
/** What the names of subscribers' files begin with. */
export const SUBSCRIBER = "subscriber-";

/** A publisher or subscriber: what its file name says. */
export interface Participant {
  readonly source: number;
  readonly count: number;
  readonly node: string;
}

/** Wraps as the 32-bit words that it is compared with. */
let count = 0;

/** A new participant of this realm. */
export function newParticipant(realm: Realm, source: number): Participant {
  count = (count + 1) >>> 0;
  return { source, count, node: realm.id };
}

/** What users know it by. */
export function idOf({ source, count, node }: Participant): string {
  return `${node}-${source}-${count}`;
}

/** The name of its file. */
export function fileOf(prefix: string, { source, count, node }: Participant): string {
  return `${prefix}${source}-${count}-${node}`;
}

/** Reads a file name; `undefined` if it isn't one with that prefix. */
export function participantOf(prefix: string, file: string): Participant | undefined {
  if (!file.startsWith(prefix)) return undefined;
  const [source, count, node, ...rest] = file.slice(prefix.length).split("-");
  if (node === undefined || rest.length > 0 || !isNodeId(node)) return undefined;
  return { source: Number(source), count: Number(count), node };
}

/** All publishers, or all subscribers, of a folder. */
export function participantsIn(realm: Realm, path: string, prefix: string): Participant[] {
  return realm.directory.list(path).map((file) => participantOf(prefix, file)).filter((
    participant,
  ) => participant !== undefined);
}

/** Names of policies as users write them. */
export const POLICIES = {
  "block": LagPolicy.block,
  "drop-oldest": LagPolicy.dropOldest,
  "disconnect": LagPolicy.disconnect,
  "latest": LagPolicy.latest,
} as const;

const KNOWN: ReadonlySet<number> = new Set(Object.values(LagPolicy));

/** A policy read from shared memory: what isn't one holds no publisher back. */
export function policyOf(value: number): LagPolicy {
  return KNOWN.has(value) ? value as LagPolicy : LagPolicy.dropOldest;
}

/** Makes a subscriber's registration; the caller holds the lock of the folder. */
export function createRegistration(
  realm: Realm,
  path: string,
  participant: Participant,
  policy: LagPolicy,
  codec: string,
): Segment | undefined {
  const segment = Segment.create(realm.binding, `${path}/${fileOf(SUBSCRIBER, participant)}`, {
    kind: Kind.member,
    pages: SubscriberLayout.pages,
    creator: realm.id,
    codec: codecId(codec),
  });
  segment?.setU32(SubscriberLayout.policy, policy);
  segment?.releaseFile();
  return segment;
}

/** What a publisher's segment says of it. */
export interface PublisherParameters {
  readonly name: string;
  readonly capacity: number;
  readonly slots: number;
  readonly codec: string;
  /** May it overtake subscribers that block? */
  readonly overtakes: boolean;
}

/** Opens a subscriber's registration; `undefined` if it is gone. */
export function openRegistration(
  realm: Realm,
  path: string,
  participant: Participant,
): Segment | undefined {
  return Segment.open(realm.binding, `${path}/${fileOf(SUBSCRIBER, participant)}`, Kind.member);
}

/** Makes a publisher's segment, under a name that no subscriber looks for. */
export function createPublisher(
  realm: Realm,
  path: string,
  participant: Participant,
  parameters: PublisherParameters,
): Segment | undefined {
  const { name, capacity, slots, codec, overtakes } = parameters;
  const segment = Segment.create(realm.binding, `${path}/new-${fileOf(PUBLISHER, participant)}`, {
    kind: Kind.publisher,
    pages: (publisherData(slots) + capacity) / PAGE,
    creator: realm.id,
    capacity,
    codec: codecId(codec),
  });
  if (segment === undefined) return undefined;
  segment.releaseFile();
  writeText(segment, PublisherLayout.name, PublisherLayout.nameBytes, name);
  segment.setU32(PublisherLayout.source, participant.source);
  segment.setU32(PublisherLayout.slots, slots);
  segment.setU32(PublisherLayout.overtakes, overtakes ? 1 : 0);
  return segment;
}

/** What a publisher's segment says of itself. */
export interface PublisherShape {
  readonly capacity: number;
  readonly slots: number;
  /** Offset of the data. */
  readonly data: number;
}

/** Reads and checks the shape of a publisher's segment. @throws {CorruptSegmentError} */
export function shapeOf(segment: Segment): PublisherShape {
  const capacity = segment.u32(Header.capacity);
  const slots = segment.u32(PublisherLayout.slots);
  const data = publisherData(slots);
  const valid = slots >= 1 && slots <= MAX_SUBSCRIBERS && capacity >= MIN_CAPACITY &&
    capacity <= MAX_CAPACITY && (capacity & (capacity - 1)) === 0 &&
    data + capacity === segment.bytes.length;
  if (valid) return { capacity, slots, data };
  throw new CorruptSegmentError(
    `${segment.path} says it has ${slots} slots and a ring of ${capacity} bytes, ` +
      `but its size is ${segment.bytes.length}`,
  );
}
