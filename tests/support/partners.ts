// Partners and servers that many tests want on the other side.

import type { Peer } from "./peers.ts";

export interface PartnerOptions {
  capacity?: number;
  timeout?: number;
  sendQueueBytes?: number;
  maxMessageBytes?: number;
}

/** Opens a channel in the peer that answers requests with what they bring. */
export function openEcho(peer: Peer, name: string, options: PartnerOptions = {}): Promise<void> {
  return peer.run(
    async ({ ipc, use }, name: string, options: PartnerOptions) => {
      use(await ipc.Channel.open(name, { ...options, onRequest: (payload) => payload }));
    },
    name,
    options,
  );
}

/** Opens a channel in the peer that takes requests and never answers. */
export function openSilent(peer: Peer, name: string): Promise<void> {
  return peer.run(async ({ ipc, use, kept }, name: string) => {
    kept.requests = 0;
    use(
      await ipc.Channel.open(name, {
        onRequest: () => (kept.requests++, new Promise<undefined>(() => {})),
      }),
    );
  }, name);
}
