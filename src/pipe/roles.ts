/**
 * Which member is the sender, and which the receiver of a pipe: a word for each. It is claimed,
 * and taken from the dead, under the lock of the pipe's folder, and given back by its
 * holder.
 *
 * @module
 */
import { CorruptSegmentError, NameTakenError } from "../errors.ts";
import type { GoneReason } from "../errors.ts";
import { MAX_MEMBERS, Member, MembershipLayout, PipeLayout, Role } from "../memory/layout.ts";
import { readNodeId } from "../memory/names.ts";
import type { Segment } from "../memory/segment.ts";
import type { Realm } from "../wake/realm.ts";

/** One of the two. */
export type RoleName = "sender" | "receiver";

/** The other one. */
export function otherRole(role: RoleName): RoleName {
  return role === "sender" ? "receiver" : "sender";
}

/** A role's word. */
export function roleWord(segment: Segment, role: RoleName): number {
  return Atomics.load(segment.words, PipeLayout[role] >> 2);
}

/** The member that has the role; -1 if there is none. */
export function holderOf(segment: Segment, role: RoleName): number {
  const holder = roleWord(segment, role) & Role.holder;
  if (holder <= MAX_MEMBERS) return holder - 1;
  throw new CorruptSegmentError(`${segment.path} says that its ${role} is member ${holder - 1}`);
}

/** The node id of a member. */
export function nodeOf(segment: Segment, member: number): string {
  return readNodeId(segment.bytes, MembershipLayout.slots + member * Member.bytes + Member.node);
}

/**
 * Throws if a member has the role. What the dead left is removed before the lock of the
 * folder is taken, so a node that has a file in it lives.
 */
export function checkFree(realm: Realm, segment: Segment, role: RoleName, name: string): void {
  const holder = holderOf(segment, role);
  if (holder < 0) return;
  const node = nodeOf(segment, holder);
  const folder = segment.path.slice(0, segment.path.lastIndexOf("/"));
  const lives = node === realm.id ||
    realm.directory.list(folder).some((file) => file.endsWith(node));
  if (!lives) return;
  throw new NameTakenError(
    `pipe "${name}" has a ${role}, which lives: a pipe has one sender and one receiver; close the ` +
      "other one, or use another name, a queue or a topic",
  );
}

/** Takes the role, which is free. */
export function claim(segment: Segment, role: RoleName, member: number): void {
  const word = roleWord(segment, role);
  // A holder that is still in the word died unnoticed.
  const died = (word & Role.holder) !== 0 ? Role.died : word & Role.died;
  const taken = (word & ~(Role.taken - 1)) + Role.taken;
  Atomics.store(segment.words, PipeLayout[role] >> 2, taken | died | (member + 1));
}

/** Gives the role back, if the member has it. */
export function release(
  segment: Segment,
  role: RoleName,
  member: number,
  reason: "died" | "closed",
): void {
  const word = roleWord(segment, role);
  if ((word & Role.holder) !== member + 1) return;
  const free = (word & ~(Role.taken - 1)) | (reason === "died" ? Role.died : 0);
  Atomics.compareExchange(segment.words, PipeLayout[role] >> 2, word, free);
}

/** Why the holder before this word's one went. */
export function reasonIn(word: number): GoneReason {
  return (word & Role.died) !== 0 ? "died" : "closed";
}
