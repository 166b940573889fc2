// Both sides of an echo: over a channel, and over a Unix socket beside it.

import { Channel } from "../../mod.ts";
import type { Setup } from "./question.ts";
import { serveEcho, SocketClient } from "./socket.ts";

export async function openEcho({ directory }: Setup): Promise<void> {
  await Channel.open("echo", { onRequest: (bytes) => bytes });
  await serveEcho(directory);
}

export async function connectEcho(
  { directory }: Setup,
): Promise<{ channel: Channel; socket: SocketClient }> {
  const channel = await Channel.open("echo");
  channel.ref();
  await channel.whenConnected();
  return { channel, socket: await SocketClient.connect(directory) };
}
