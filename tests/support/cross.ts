// Tests between the process that runs the file and a peer in each runtime. The runner runs each
// file under each runtime, so together these are all ordered pairs.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { patience, peerSystem } from "../../tools/systems/systems.ts";
import { Peer, type Runtime, runtimes } from "./peers.ts";
import { sleep } from "./remote_functions.ts";

/** What a test is given. */
export interface Cross {
  /** The runtime of the other side. */
  runtime: Runtime;
  /** The other side. Tests share it, so they don't kill it. */
  peer: Peer;
  /** A name that nobody else uses. */
  name: string;
  /** Starts another one, which may be killed; it ends with the test. */
  start(runtime?: Runtime): Peer;
}

export interface CrossOptions {
  /** Seconds after which the test has failed and its peers are killed. */
  limit?: number;
  /** Why it can't run, per runtime of the other side. */
  skip?: (runtime: Runtime) => string | false;
  /** Only with peers of these. */
  only?: readonly Runtime[];
}

const LIMIT = 30;
const shared = new Map<Runtime, Peer>();
let names = 0;

/** Registers a test once per runtime of the peer. */
export function crossTest(
  title: string,
  body: (cross: Cross) => Promise<void>,
  { limit = LIMIT, skip = () => false, only = runtimes }: CrossOptions = {},
): void {
  const where = peerSystem.name && ` on ${peerSystem.name}`;
  for (const runtime of only) {
    test(`${title} · peer in ${runtime}${where}`, { skip: skip(runtime) }, () => {
      return runWatched(runtime, limit, body);
    });
  }
}

async function runWatched(
  runtime: Runtime,
  limit: number,
  body: (cross: Cross) => Promise<void>,
): Promise<void> {
  const peer = sharedPeer(runtime);
  const started: Peer[] = [];
  const start = (other: Runtime = runtime): Peer => {
    const peer = new Peer(other);
    started.push(peer);
    return peer;
  };
  const run = async (): Promise<void> => {
    await body({ runtime, peer, name: uniqueName(), start });
    await Promise.all([peer.reset(), ...started.map((each) => each.end())]);
    await checkNothingLeft();
  };
  try {
    await within(limit, run());
  } catch (error) {
    // What state they are in nobody knows: the next test gets new ones.
    for (const each of [peer, ...started]) each.kill("SIGKILL");
    await Promise.all([peer, ...started].map((each) => each.ended));
    shared.delete(runtime);
    throw error;
  }
}

function sharedPeer(runtime: Runtime): Peer {
  let peer = shared.get(runtime);
  if (peer === undefined) shared.set(runtime, peer = new Peer(runtime));
  return peer;
}

/** To be called last in each file: ends the shared peers and checks what they leave. */
export function peersEnd(): void {
  test("the peers end and leave nothing behind", async () => {
    const peers = [...shared.values()];
    shared.clear();
    const exits = await within(LIMIT, Promise.all(peers.map((peer) => peer.end())));
    assert.deepEqual(exits, peers.map(() => ({ code: 0, signal: null })));
    await checkNothingLeft();
  });
}

/** A name that no other test uses. */
export function uniqueName(): string {
  return `cross-${process.pid}-${++names}`;
}

/** The promise's result, or an error after so many seconds, more on a slow system. */
export async function within<T>(seconds: number, promise: Promise<T>): Promise<T> {
  seconds *= patience;
  const watchdog = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => watchdog.reject(new Error(`took longer than ${seconds} s`)),
    seconds * 1000,
  );
  try {
    return await Promise.race([promise, watchdog.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, seconds = 30) {
  const end = performance.now() + seconds * patience * 1000;
  while (!await condition()) {
    if (performance.now() > end) assert.fail(`not within ${seconds} s: ${condition}`);
    await sleep(2);
  }
}

/** Files in the runtime directory; its own empty folders don't count. */
export function filesLeft(): string[] {
  const directory = process.env["CAUSEWAY_DIR"]!;
  return entriesOf(directory).flatMap(([name, isDirectory]) =>
    isDirectory ? entriesBelow(directory, name) : [name]
  );
}

/** What a folder holds at any depth. Not by `recursive`: under Wine, Bun goes one level deep. */
function entriesBelow(directory: string, folder: string): string[] {
  return entriesOf(path.join(directory, folder)).flatMap(([name, isDirectory]) => {
    const entry = `${folder}/${name}`;
    return isDirectory ? [entry, ...entriesBelow(directory, entry)] : [entry];
  });
}

/** None if there is no such folder, or no more. */
function entriesOf(folder: string): [name: string, isDirectory: boolean][] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true })
      .map((entry) => [entry.name, entry.isDirectory()]);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  }
}

/** Everything is closed: nothing of it may stay. */
async function checkNothingLeft(): Promise<void> {
  for (let tries = 0; filesLeft().length > 0 && tries < 500; tries++) await sleep(2);
  assert.deepEqual(filesLeft(), [], "left in the runtime directory");
}
