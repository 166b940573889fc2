/**
 * Nodes: the realms that use a runtime directory, and the proof of which are alive.
 *
 * A node's file carries its lease. The file gets its public name only when the
 * lease is taken, so a public node whose lease is free is dead, for certain and
 * for ever: ids are random and never used again. A paused process keeps its lease.
 *
 * @module
 */
import type { Binding } from "../platform/binding.ts";
import {
  CausewayError,
  CorruptSegmentError,
  KindMismatchError,
  VersionMismatchError,
} from "../errors.ts";
import { BUSY } from "./directory.ts";
import type { Claims } from "./claims.ts";
import type { RuntimeDirectory } from "./directory.ts";
import { Header, Kind, NodeLayout, PipeLayout } from "./layout.ts";
import { isNodeId, randomNodeId } from "./names.ts";
import { Segment, writeText } from "./segment.ts";

/** The folder of all nodes. */
export const NODES = "nodes";
/** Ending of the name of a node's file before it is public. */
const UNPUBLISHED = ".new";

/** Makes this realm's node; its lease is held until the segment is closed. */
export function createNode(
  binding: Binding,
  directory: RuntimeDirectory,
): { id: string; segment: Segment } {
  return directory.within([NODES], (folder) => {
    sweep(binding, directory);
    const id = randomNodeId(binding.shim);
    const path = `${folder}/${id}`;
    const pages = NodeLayout.pages;
    const segment = Segment.create(binding, path + UNPUBLISHED, {
      kind: Kind.node,
      pages,
      creator: id,
    });
    if (segment === undefined) return "gone";
    writeText(
      segment,
      NodeLayout.description,
      NodeLayout.descriptionBytes,
      JSON.stringify({ runtime: binding.runtime }),
    );
    // Between its creation and its lease a sweeper may have taken the file for a
    // dead node's. Then the rename fails, or the lease is busy: start again.
    if (segment.takeLease() && directory.rename(path + UNPUBLISHED, path)) return { id, segment };
    segment.close();
    return "gone";
  });
}

/** Takes this realm's own node out of sight; its lease goes when the segment is closed. */
export function removeNode(directory: RuntimeDirectory, id: string): void {
  directory.removeFile(directory.path(NODES, id));
  directory.prune([NODES]);
}

/** Opens another node's segment; `undefined` when it is gone, and so dead. */
export function openNode(
  binding: Binding,
  directory: RuntimeDirectory,
  id: string,
): Segment | undefined {
  return Segment.open(binding, directory.path(NODES, id), Kind.node);
}

/** What a node claims, see `claims.ts`. */
export function nodeClaim(id: string): string {
  return `${NODES}/${id}`;
}

/**
 * Is there proof that the node is dead? A free lease is one. That there is no file is none: it
 * may have been removed under the node, which has its claim then.
 */
export function isNodeDead(
  binding: Binding,
  directory: RuntimeDirectory,
  claims: Claims,
  id: string,
): boolean {
  const held = Segment.probeLease(binding, directory.path(NODES, id));
  return held === undefined ? !claims.isUsedElsewhere(nodeClaim(id)) : !held;
}

/**
 * Removes all that a node left behind. Its death has been proved. False if another process
 * holds the lock of a folder: the node's own file stays then, so that this process or another
 * can do the rest later.
 */
export function reapNode(directory: RuntimeDirectory, id: string): boolean {
  let isDone = true;
  for (const kind of directory.list(directory.root)) {
    if (kind === NODES || kind.startsWith(".")) continue;
    for (const name of directory.list(directory.path(kind))) {
      if (!removeOf(directory, id, kind, name)) isDone = false;
    }
  }
  if (isDone) directory.removeFile(directory.path(NODES, id));
  return isDone;
}

function removeOf(directory: RuntimeDirectory, id: string, kind: string, name: string): boolean {
  const files = directory.list(directory.path(kind, name));
  if (files.includes(SHARED_FILE)) {
    // A process that joins holds the lock, and counts on the shared file to stay.
    const removed = directory.tryLocked([kind, name], () => {
      removeFilesOf(directory, id, [kind, name]);
      removeUnused(directory, [kind, name]);
    });
    if (removed === BUSY) return false;
    directory.prune([kind, name]);
    return true;
  }
  const removed = removeFilesOf(directory, id, [kind, name]);
  // An empty folder may be that of a process that died before there was a file in it, or after.
  if (removed === files.length) directory.prune([kind, name]);
  return true;
}

function removeFilesOf(directory: RuntimeDirectory, id: string, parts: string[]): number {
  const path = directory.path(...parts);
  const left = directory.list(path).filter((file) => file.endsWith(id));
  for (const file of left) directory.removeFile(`${path}/${file}`);
  return left.length;
}

/** The file that all members of a name share, and that goes with the last of them. */
export const SHARED_FILE = "shared";

/** The folder of all pipes: their shared files stay as long as there are messages in them. */
export const PIPES = "pipe";

/** Removes the shared file of a folder if it has no member. The caller holds the folder's lock. */
export function removeUnused(directory: RuntimeDirectory, parts: string[]): void {
  const path = directory.path(...parts);
  if (directory.list(path).some((file) => isNodeId(file.slice(-16)))) return;
  const shared = `${path}/${SHARED_FILE}`;
  if (parts[0] === PIPES && holdsMessages(directory.binding, shared)) return;
  directory.removeFile(shared);
}

/** Are there messages in a pipe? What can't be a pipe holds none. */
function holdsMessages(binding: Binding, path: string): boolean {
  try {
    const segment = Segment.open(binding, path, Kind.pipe);
    if (segment === undefined) return false;
    const queued = (segment.u32(PipeLayout.tail) - segment.u32(PipeLayout.head)) >>> 0;
    const holds = queued > 0 && queued <= segment.u32(Header.capacity);
    segment.close();
    return holds;
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    // One that only can't be opened now, for want of descriptors, may hold some.
    return !(error instanceof CorruptSegmentError || error instanceof KindMismatchError ||
      error instanceof VersionMismatchError);
  }
}

/**
 * Finds nodes that died when no process was there to notice, and reaps them, also
 * those of another version of this library.
 */
export function sweep(binding: Binding, directory: RuntimeDirectory): void {
  for (const file of directory.list(directory.path(NODES))) {
    const id = file.endsWith(UNPUBLISHED) ? file.slice(0, -UNPUBLISHED.length) : file;
    const path = directory.path(NODES, file);
    if (!isNodeId(id)) continue;
    const held = Segment.probeLease(binding, path);
    if (id !== file) removeUnpublished(directory, path, held);
    else if (held === false) reapNode(directory, id); // what it leaves, the next sweep removes
  }
}

/**
 * One whose maker died before it had a size can't be opened: it has no lease to prove
 * the death by, and needs none. A maker that lives, and finds it gone, begins again.
 */
function removeUnpublished(
  directory: RuntimeDirectory,
  path: string,
  held: boolean | undefined,
): void {
  if (held === true) return;
  try {
    directory.removeFile(path);
  } catch (error) {
    // Something else has that name, or another user owns it: it isn't ours.
    if (!(error instanceof CausewayError)) throw error;
  }
}
