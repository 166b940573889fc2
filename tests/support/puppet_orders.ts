// What a puppet (puppet.ts) does when it is told to, in any runtime.

import { spawn } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { Channel, PeerGoneError, RpcClient, RpcServer } from "../../mod.ts";

// A request's first byte says what its handler shall do with it.
const ECHO = 0;
const HOLD = 1; // never answer
const SLOW = 2; // answer after some milliseconds

type Link = Channel | RpcClient;

/** Something that is open, and what happened to it. */
interface Held {
  object: Link | RpcServer;
  events: { what: "connect" | "disconnect"; reason: string; at: number }[];
  /** Handlers of requests to hold that were told that the caller is gone. */
  aborted: number;
  received: number;
}

// deno-lint-ignore no-explicit-any -- orders are what tests write
type Order = any;

const held = new Map<string, Held>();
const wasted: number[] = [];
let traffic: Traffic | undefined;
/** Promises of orders that answer later, by the key a test gave them. */
const later = new Map<string, Promise<unknown>>();

function handlersOf(entry: Held) {
  const note = (what: "connect" | "disconnect") => (reason: unknown) =>
    void entry.events.push({ what, reason: String(reason), at: Date.now() });
  return {
    onConnect: note("connect"),
    onDisconnect: note("disconnect"),
    onMessage: () => void entry.received++,
    onRequest(payload: Uint8Array | undefined, { signal }: { signal: AbortSignal }) {
      entry.received++;
      switch (payload?.[0]) {
        case HOLD:
          signal.addEventListener("abort", () => entry.aborted++);
          return new Promise(() => {});
        case SLOW: {
          const { promise, resolve } = Promise.withResolvers<Uint8Array>();
          setTimeout(() => resolve(payload), payload[1]);
          return promise;
        }
        default:
          return payload;
      }
    },
    onError: (error: unknown) => console.error("onError:", error),
  };
}

async function open({ as, kind, name, wait, options = {} }: Order): Promise<void> {
  const entry: Held = { object: undefined!, events: [], aborted: 0, received: 0 };
  const all = { ...handlersOf(entry), ...options };
  // Nobody calls a client.
  const { onMessage: _, onRequest: __, ...ofClient } = all;
  if (kind === "channel") entry.object = await Channel.open(name, all);
  else if (kind === "server") entry.object = await RpcServer.open(name, all);
  else if (wait === false) {
    const opening = RpcClient.open(name, { connectTimeout: Infinity, ...ofClient });
    opening.then((client) => {
      entry.object = client;
      held.set(as ?? name, entry);
    }, () => {});
    return;
  } else entry.object = await RpcClient.open(name, { connectTimeout: 10_000, ...ofClient });
  held.set(as ?? name, entry);
}

function link(on: string): Link {
  return held.get(on)!.object as Link;
}

function isConnected({ object }: Held): boolean {
  return object instanceof RpcServer ? object.connections > 0 : object.isConnected;
}

function message(size: number, kind = ECHO, delay = 0): Uint8Array {
  const bytes = new Uint8Array(Math.max(2, size));
  for (let at = 2; at < bytes.length; at += 1024) bytes[at] = at >> 10;
  bytes[0] = kind;
  bytes[1] = delay;
  return bytes;
}

function checkEcho(sent: Uint8Array, answer: Uint8Array | undefined): void {
  const same = answer?.length === sent.length &&
    sent.every((_, at) => at % 1024 !== 2 || answer[at] === sent[at]);
  if (!same) throw new Error(`${sent.length} bytes came back as ${answer?.length}, or changed`);
}

/** One request, checked; its round trip in ms. */
async function request({ on, size = 64, hold, slow, timeout, sync }: Order): Promise<number> {
  const start = performance.now();
  const bytes = message(size, hold ? HOLD : slow ? SLOW : ECHO, slow);
  const options = timeout === undefined
    ? {}
    : { timeout: timeout === "never" ? Infinity : timeout };
  const answer = sync
    ? link(on).requestSync(bytes, options)
    : await link(on).request(bytes, options);
  checkEcho(bytes, answer);
  return performance.now() - start;
}

// ------------------------------------------------------------------- traffic

/** Calls without end in one of several modes, until the partner is gone. */
class Traffic {
  readonly #on: Held;
  readonly #mode: string;
  readonly ended: Promise<void>;
  /** When calls were rejected because the partner is gone, ms since the epoch. */
  rejectedAt: number[] = [];
  unexpected: string[] = [];
  calls = 0;
  #stop = new AbortController();

  constructor(on: Held, mode: string) {
    this.#on = on;
    this.#mode = mode;
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    const partner = this.#on.object as Link;
    try {
      await partner.whenConnected({ timeout: Infinity, signal: this.#stop.signal });
    } catch {
      return;
    }
    const watch = this.#mode === "blocking"
      ? undefined
      : this.#guard(partner.request(message(64, HOLD), { timeout: Infinity }));
    while (!this.#stop.signal.aborted && this.rejectedAt.length === 0 && partner.isConnected) {
      await this.#some(partner);
    }
    await watch;
  }

  /** A call that must end well, or because the partner is gone. */
  async #guard(call: Promise<unknown>): Promise<void> {
    try {
      await call;
      this.calls++;
    } catch (error) {
      this.#note(error);
    }
  }

  #note(error: unknown): void {
    if (error instanceof PeerGoneError) this.rejectedAt.push(Date.now());
    else this.unexpected.push(String(error));
  }

  async #echo(partner: Link, size: number): Promise<void> {
    const bytes = message(size);
    checkEcho(bytes, await partner.request(bytes, { timeout: Infinity }));
  }

  async #some(partner: Link): Promise<void> {
    switch (this.#mode) {
      case "awaited":
        return this.#guard(this.#echo(partner, 64));
      case "flight":
        await Promise.all(
          Array.from({ length: 64 }, () => this.#guard(this.#echo(partner, 512))),
        );
        return;
      case "pieces":
        return this.#guard(this.#echo(partner, 3 << 20));
      case "blocking":
        try {
          // A call would wait for the next partner, and block this thread until then.
          for (let i = 0; i < 50 && partner.isConnected; i++, this.calls++) {
            const bytes = message(64);
            checkEcho(bytes, partner.requestSync(bytes, { timeout: Infinity }));
          }
          // Now and then one that only the partner's death ends.
          if (partner.isConnected && Math.random() < 0.2) {
            partner.requestSync(message(64, HOLD), { timeout: Infinity });
          }
        } catch (error) {
          this.#note(error);
        }
        await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  stop(): void {
    this.#stop.abort();
  }
}

/** After its partner was killed: waits until that was noticed, and says when. */
async function settled({ on, killedAt, patience }: Order): Promise<object> {
  const entry = held.get(on);
  const giveUp = Date.now() + patience;
  const count = (what: string) => entry?.events.filter((event) => event.what === what).length ?? 0;
  const isQuiet = () =>
    entry === undefined || (!isConnected(entry) && count("connect") <= count("disconnect"));
  for (let quiet = 0; quiet < 3 && Date.now() < giveUp;) {
    await new Promise((resolve) => setTimeout(resolve, 3));
    quiet = isQuiet() ? quiet + 1 : 0;
  }
  const noticed = isQuiet();
  if (traffic !== undefined) {
    traffic.stop();
    const late = Promise.withResolvers<string>();
    const timer = setTimeout(() => late.resolve("late"), Math.max(100, giveUp - Date.now()));
    if (await Promise.race([traffic.ended, late.promise]) === "late") {
      traffic.unexpected.push("a call never ended");
    }
    clearTimeout(timer);
  }
  const last = entry?.events.filter(({ what }) => what === "disconnect").at(-1);
  const times = [...(last ? [last.at] : []), ...(traffic?.rejectedAt ?? [])];
  const result = {
    noticed,
    connected: count("connect") > 0,
    reason: last?.reason,
    after: times.length > 0 ? Math.max(0, Math.max(...times) - killedAt) : undefined,
    rejected: traffic?.rejectedAt.length ?? 0,
    calls: traffic?.calls ?? 0,
    unexpected: traffic?.unexpected ?? [],
    errors: count("connect") === count("disconnect") ? "" : JSON.stringify(entry?.events),
  };
  traffic = undefined;
  if (entry !== undefined) entry.events = [];
  return result;
}

// -------------------------------------------------------------------- orders

export type Orders = Readonly<Record<string, (order: Order) => unknown>>;

export const orders: Orders = {
  open,
  request,
  /** Starts a request and answers at once; `await` gives the result. */
  start: (order) => {
    const promise = request(order);
    promise.catch(() => {});
    later.set(order.key, promise);
  },
  await: ({ key }) => later.get(key),
  send: ({ on, size = 64, count = 1 }) => {
    for (let i = 0; i < count; i++) link(on).send(message(size));
  },
  /** Sends a message every few ms, as long as the same partner is there. */
  ring: ({ on, every }) => {
    const timer = setInterval(() => {
      if (link(on).isConnected) link(on).send(message(64));
      else clearInterval(timer);
    }, every);
  },
  whenConnected: ({ on, timeout }) => link(on).whenConnected({ timeout }),
  state: ({ on }) => {
    const entry = held.get(on);
    return entry && {
      connected: isConnected(entry),
      closed: entry.object.isClosed,
      connections: entry.object instanceof RpcServer ? entry.object.connections : undefined,
      events: entry.events,
      received: entry.received,
      aborted: entry.aborted,
    };
  },
  close: async ({ on }) => {
    await held.get(on)!.object.close();
    held.delete(on);
  },
  closeAll: async () => {
    await Promise.all([...held.values()].map(({ object }) => object.close()));
    held.clear();
  },
  traffic: ({ on, mode }) => {
    traffic = new Traffic(held.get(on)!, mode);
  },
  forget: ({ on }) => {
    const entry = held.get(on);
    if (entry !== undefined) entry.events = [];
  },
  settled,
  /** What this process has of the system. */
  resources: async ({ mapped }) => {
    // Twice: what is held by finalizers goes in the second round.
    for (let i = 0; i < 2; i++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { heapUsed, external } = process.memoryUsage();
    const maps = fs.readFileSync("/proc/self/maps", "utf8").split("\n");
    const status = fs.readFileSync("/proc/self/status", "utf8");
    return {
      segments: maps.filter((line) => line.includes(mapped)).length,
      descriptors: fs.readdirSync("/proc/self/fd").length,
      live: (heapUsed + external) / 2 ** 20,
      rss: Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024,
      threads: Number(/Threads:\s+(\d+)/.exec(status)![1]),
    };
  },
  /** Starts a child that lives on. */
  spawn: ({ seconds }) => spawnChild(String(seconds)),
  /** Opens many: how many could be, and why no more. */
  openMany: async ({ kind, prefix, most, options }) => {
    let count = 0;
    try {
      for (; count < most; count++) await open({ kind, name: `${prefix}${count}`, options });
    } catch (error) {
      return { count, error: describe(error) };
    }
    return { count };
  },
  closeMany: async ({ prefix, count }) => {
    for (let i = 0; i < count; i++) await orders["close"]!({ on: `${prefix}${i}` });
  },
  /** Reads a file again and again: how long that takes. Deno only. */
  readFiles: async ({ file, count }) => {
    // deno-lint-ignore no-explicit-any -- the name of a runtime
    const { Deno } = globalThis as any;
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await Deno.readTextFile(file);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    return { median: times[count >> 1], p99: times[Math.floor(count * 0.99)], max: times.at(-1) };
  },
  /** Opens files until there are no descriptors left, and says how many there were. */
  useDescriptors: () => {
    try {
      for (;;) wasted.push(fs.openSync("/dev/null", "r"));
    } catch {
      return wasted.length;
    }
  },
  freeDescriptors: () => {
    for (const file of wasted.splice(0)) fs.closeSync(file);
  },
  /** Ways to end. */
  exit: ({ code }) => {
    process.exit(code);
  },
  denoExit: ({ code }) =>
    (globalThis as unknown as { Deno: { exit(code: number): void } }).Deno.exit(code),
  throw: () => {
    setTimeout(() => {
      throw new Error("uncaught, as ordered");
    }, 0);
  },
  reject: () => void Promise.reject(new Error("unhandled, as ordered")),
  /** Nothing that is open keeps the process alive any more. */
  unrefAll: () => {
    for (const { object } of held.values()) object.unref();
  },
};

function collectGarbage(): void {
  // deno-lint-ignore no-explicit-any -- each runtime has its own
  const { gc, Bun } = globalThis as any;
  if (Bun !== undefined) Bun.gc(true);
  else gc?.();
}

function spawnChild(seconds: string): number | undefined {
  // deno-lint-ignore no-explicit-any -- each runtime has its own
  const { Deno, Bun } = globalThis as any;
  if (Deno !== undefined) {
    const options = { args: [seconds], stdin: "null", stdout: "null", stderr: "null" };
    return new Deno.Command("sleep", options).spawn().pid;
  }
  if (Bun !== undefined) {
    return Bun.spawn(["sleep", seconds], { stdio: ["ignore", "ignore", "ignore"] }).pid;
  }
  return spawn("sleep", [seconds], { stdio: "ignore" }).pid;
}

function describe(error: unknown): object {
  const { name, message, code, reason } = error as PeerGoneError;
  return { name, message: message ?? String(error), code, reason };
}
