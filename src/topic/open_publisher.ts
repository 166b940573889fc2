/**
 * Opening a publisher: its segment, and the invitations of the subscribers that are there.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { ClosedError } from "../errors.ts";
import { publisherData, PublisherLayout, PublisherState } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";
import type { Handle } from "../wake/handle.ts";
import { createPublisher, fileOf, newParticipant, PUBLISHER } from "./folder.ts";
import type { Participant } from "./folder.ts";
import { Invitations } from "./invitations.ts";
import type { PublisherLimits } from "./publisher_options.ts";
import { SubscriberTable } from "./subscriber_table.ts";
import type { SubscriberTableEvents } from "./subscriber_table.ts";

/** What an open publisher has in shared memory. */
export interface OpenPublisher {
  readonly participant: Participant;
  readonly segment: Segment;
  readonly table: SubscriberTable;
}

/** Opens a publisher; the handle's end takes it away again. */
export async function openPublisher(
  handle: Handle,
  name: string,
  parts: string[],
  codec: Codec,
  limits: PublisherLimits,
  events: SubscriberTableEvents,
  signal: AbortSignal | undefined,
): Promise<OpenPublisher> {
  const { realm } = handle;
  const { directory } = realm;
  const participant = newParticipant(realm, handle.index);
  const invitations = new Invitations(realm);
  const failed = (error: unknown): void => events.failed(error);

  const make = (path: string): OpenPublisher => {
    const { capacity, slots, history, maxLag } = limits;
    const overtakes = maxLag !== Infinity;
    const parameters = { name, capacity, slots, codec: codec.name, overtakes };
    const segment = createPublisher(realm, path, participant, parameters);
    if (segment === undefined) throw new ClosedError(`the folder of topic "${name}"`);
    const shape = { capacity, slots, data: publisherData(slots) };
    const table = new SubscriberTable(handle, segment, shape, history, events);
    try {
      invitations.inviteAll(path, participant, segment, table, failed);
      segment.setU32(PublisherLayout.state, PublisherState.open);
      directory.rename(segment.path, `${path}/${fileOf(PUBLISHER, participant)}`);
      return { participant, segment, table };
    } catch (error) {
      table.close();
      invitations.cancel();
      directory.removeFile(segment.path);
      segment.close();
      throw error;
    }
  };

  handle.onClose(() => directory.prune(parts));
  const opened = await realm.locked(parts, make, signal);
  closeWith(handle, parts, opened);
  invitations.announce(failed);
  opened.table.look();
  return opened;
}

/** What the end of the handle does, in this order. */
function closeWith(handle: Handle, parts: string[], opened: OpenPublisher): void {
  const { directory } = handle.realm;
  const { participant, segment, table } = opened;
  handle.onClose(() => segment.setU32(PublisherLayout.state, PublisherState.closed));
  handle.onClose(() => table.ringAll());
  handle.onClose(() => table.close());
  handle.onClose(() =>
    directory.removeFile(directory.path(...parts, fileOf(PUBLISHER, participant)))
  );
  handle.onClose(() => directory.prune(parts));
  handle.onClose(() => segment.close());
}
