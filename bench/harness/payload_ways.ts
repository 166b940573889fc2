// The ways a payload can take from one process to another and back: typed and on bytes, over the
// library and over Unix sockets with the same codec.

import fs from "node:fs";
import path from "node:path";
import { serveOnSocket, SocketClient as TypedSocketClient } from "../../examples/demo/socket.ts";
import { connect, messagePack, RpcClient, RpcServer, serve } from "../../mod.ts";
import type { Setup } from "./question.ts";
import { digest, sample } from "./samples.ts";
import { listen, SocketClient } from "./socket.ts";

/** What a server does with payloads. */
export type PayloadApi = ReturnType<typeof payloadApi>;

function payloadApi() {
  let messages = 0;
  let sum = 0;
  return {
    /** The payload is the argument. */
    take: (bytes: Uint8Array): number => digest(bytes),
    /** It is the result. */
    give: (size: number, variant: number): Uint8Array => sample(size, variant),
    /** It is both. */
    echo: (bytes: Uint8Array): Uint8Array => bytes,
    /** It is a message. */
    tell(bytes: Uint8Array): void {
      messages++;
      sum += digest(bytes);
    },
    /** How many messages there were since the last time, and the sum of their digests. */
    told(): [messages: number, sum: number] {
      const result: [number, number] = [messages, sum];
      messages = sum = 0;
      return result;
    },
  };
}

/** What came back: a payload, or its digest, as a number or as bytes. */
export type Answer = number | Uint8Array | undefined;
type Later<T> = T | Promise<T>;

/** How a payload is sent and answered. Nothing is done here that the way itself wouldn't do. */
export interface Calls {
  take(bytes: Uint8Array): Later<Answer>;
  give(size: number, variant: number): Later<Answer>;
  echo(bytes: Uint8Array): Later<Answer>;
}

/** The digest of the payload that was taken, given or both. */
export function digestIn(answer: Answer, taken: boolean): number {
  if (typeof answer === "number") return answer;
  if (taken) return numberIn(answer!, 0);
  return digest(answer ?? EMPTY);
}

/** How one is sent that nobody answers; false: await `writable` before sending more. */
export interface Messages {
  tell(bytes: Uint8Array): boolean;
  writable(): Promise<unknown>;
  told(): Promise<[messages: number, sum: number]>;
}

/** Of one kind: typed, or on bytes. */
export interface Ways {
  awaited: Calls;
  blocking: Calls;
  socket: Calls;
  oneway: Messages;
  socketOneway: Messages;
}

/** Calls may take as long as they need: a payload of 64 MB on a busy machine. */
const OPTIONS = { timeout: 120_000 };

// --------------------------------------------------------------------- typed

export async function serveTyped(setup: Setup): Promise<void> {
  const api = payloadApi();
  await serve("payloads", api);
  await serveOnSocket(path.join(setup.directory, "payloads.socket"), payloadApi());
  // The demonstration's socket answers every call. Here are calls that have no answer, in its format.
  const told = payloadApi();
  await listen(folder(setup, "typed-tell"), (frame, reply) => {
    const [method, args] = messagePack.decode(frame) as ["tell", [Uint8Array]] | ["told", []];
    if (method === "tell") told.tell(args[0]);
    else reply(messagePack.encode(told.told()));
  });
}

export async function connectTyped(setup: Setup): Promise<Ways> {
  const client = await connect<PayloadApi>("payloads", OPTIONS);
  const { remote, sync, oneway } = client;
  const socket = await TypedSocketClient.connect<PayloadApi>(
    path.join(setup.directory, "payloads.socket"),
  );
  const teller = await SocketClient.connect(folder(setup, "typed-tell"));
  return {
    awaited: {
      take: (bytes) => remote.take(bytes),
      give: (size, variant) => remote.give(size, variant),
      echo: (bytes) => remote.echo(bytes),
    },
    blocking: {
      take: (bytes) => sync.take(bytes),
      give: (size, variant) => sync.give(size, variant),
      echo: (bytes) => sync.echo(bytes),
    },
    socket: {
      take: (bytes) => socket.call("take", bytes),
      give: (size, variant) => socket.call("give", size, variant),
      echo: (bytes) => socket.call("echo", bytes),
    },
    oneway: {
      tell: (bytes) => oneway.tell(bytes),
      writable: () => client.writable,
      told: () => remote.told(),
    },
    socketOneway: {
      tell: (bytes) => teller.send(messagePack.encode(["tell", [bytes]])),
      writable: () => teller.writable(),
      told: async () =>
        messagePack.decode(await teller.request(messagePack.encode(["told", []]))) as [
          number,
          number,
        ],
    },
  };
}

// ------------------------------------------------------------------ on bytes

/** A request of each kind goes to a server of its own: a payload needs no word that says what it is. */
const KINDS = ["take", "give", "echo", "tell"] as const;
type Kind = (typeof KINDS)[number];

export async function serveBytes(setup: Setup): Promise<void> {
  for (const kind of KINDS) {
    const api = payloadApi();
    await RpcServer.open(`payloads-${kind}`, {
      onRequest: (bytes) => answer(api, kind, bytes ?? EMPTY),
      onMessage: (bytes) => api.tell(bytes ?? EMPTY),
    });
    const peer = payloadApi();
    await listen(folder(setup, kind), (bytes, reply) => {
      if (kind === "tell" && bytes.length > 0) peer.tell(bytes);
      else reply(answer(peer, kind, bytes));
    });
  }
}

function answer(api: PayloadApi, kind: Kind, bytes: Uint8Array): Uint8Array {
  if (kind === "take") return numbers(api.take(bytes));
  if (kind === "echo") return api.echo(bytes);
  if (kind === "tell") return numbers(...api.told());
  return api.give(numberIn(bytes, 0), numberIn(bytes, 1));
}

export async function connectBytes(setup: Setup): Promise<Ways> {
  const clients = await perKind((kind) => RpcClient.open(`payloads-${kind}`, OPTIONS));
  const sockets = await perKind((kind) => SocketClient.connect(folder(setup, kind)));
  return {
    awaited: callsOn((kind, bytes) => clients[kind].request(bytes)),
    blocking: callsOn((kind, bytes) => clients[kind].requestSync(bytes)),
    socket: callsOn((kind, bytes) => sockets[kind].request(bytes)),
    oneway: {
      tell: (bytes) => clients.tell.send(bytes),
      writable: () => clients.tell.writable,
      told: async () => pair(await clients.tell.request()),
    },
    socketOneway: {
      tell: (bytes) => sockets.tell.send(bytes),
      writable: () => sockets.tell.writable(),
      told: async () => pair(await sockets.tell.request(EMPTY)),
    },
  };
}

function callsOn(request: (kind: Kind, bytes: Uint8Array) => Later<Answer>): Calls {
  return {
    take: (bytes) => request("take", bytes),
    give: (size, variant) => request("give", numbers(size, variant)),
    echo: (bytes) => request("echo", bytes),
  };
}

async function perKind<T>(open: (kind: Kind) => Promise<T>): Promise<Record<Kind, T>> {
  const opened = await Promise.all(KINDS.map(async (kind) => [kind, await open(kind)] as const));
  return Object.fromEntries(opened) as Record<Kind, T>;
}

const EMPTY = new Uint8Array(0);

function numbers(...values: number[]): Uint8Array {
  return new Uint8Array(new Float64Array(values).buffer);
}

function numberIn(bytes: Uint8Array, index: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(8 * index, true);
}

function pair(bytes: Uint8Array | undefined): [number, number] {
  return [numberIn(bytes!, 0), numberIn(bytes!, 1)];
}

/** Where a socket of its own is. */
function folder({ directory }: Setup, name: string): string {
  const made = path.join(directory, name);
  fs.mkdirSync(made, { recursive: true });
  return made;
}
