// Both sides of a stream of messages in one direction; the client sends.

import { Channel } from "../../mod.ts";
import { stream } from "./measure.ts";
import { Payload, Tally } from "./payload.ts";
import type { Setup, Subject } from "./question.ts";
import { listen, SocketClient } from "./socket.ts";

/** Receives on a channel. With `borrow` the handler copies what it is lent. */
export async function receive(name: string, options: { borrow?: boolean } = {}): Promise<void> {
  const tally = new Tally();
  const own = new Uint8Array(1 << 20);
  const take = (bytes: Uint8Array) => {
    own.set(bytes);
    tally.add(own.subarray(0, bytes.length));
  };
  await Channel.open(name, {
    borrow: options.borrow === true,
    onMessage: (bytes) => options.borrow ? take(bytes!) : tally.add(bytes!),
    onRequest: () => tally.report(),
  });
}

/** The same on a Unix socket, where an empty frame asks for the report. */
export async function receiveOnSocket({ directory }: Setup): Promise<void> {
  const tally = new Tally();
  await listen(directory, (bytes, reply) => {
    if (bytes.length > 0) tally.add(bytes);
    else reply(tally.report());
  });
}

/** Sends messages of so many bytes to {@linkcode receive}. */
export async function sendOn(name: string, size: number): Promise<Subject> {
  const channel = await Channel.open(name);
  channel.ref();
  await channel.whenConnected();
  const payload = new Payload(size);
  return rates(size, {
    send: () => channel.send(payload.next()),
    writable: () => channel.writable,
    confirm: async () => Tally.read(await channel.request()),
  });
}

/** The same to {@linkcode receiveOnSocket}. */
export async function sendOnSocket({ directory }: Setup, size: number): Promise<Subject> {
  const socket = await SocketClient.connect(directory);
  const payload = new Payload(size);
  return rates(size, {
    send: () => socket.send(payload.next()),
    writable: () => socket.writable(),
    confirm: async () => Tally.read(await socket.request(new Uint8Array(0))),
  });
}

function rates(size: number, sender: Parameters<typeof stream>[1]): Subject {
  return async (milliseconds) => {
    const { perSecond } = await stream(milliseconds, sender);
    return { "messages/s": perSecond, "bytes/s": perSecond * size };
  };
}
