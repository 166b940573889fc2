// Tests between the process that runs the file and a peer in each runtime. The runner runs each
// file under each runtime, so together these are all ordered pairs; in a run of everything each
// file has three of them.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { peerSystem } from "../../tools/systems/systems.ts";
import { filesIn } from "./directories.ts";
import { Peer, type Runtime, runtimes, thisRuntime } from "./peers.ts";
import { sleep } from "./remote_functions.ts";
import { within } from "./watchdog.ts";

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
/**
 * In a run of everything each file has three of the nine pairs, other ones than the file before:
 * each runtime on both sides once. All nine take three times as long.
 */
const [pairs, turn = "0"] = (process.env["CAUSEWAY_PAIRS"] ?? "all").split(":");
const shared = new Map<Runtime, Peer>();
let names = 0;

/** Registers a test once per runtime of the peer. */
export function crossTest(
  title: string,
  body: (cross: Cross) => Promise<void>,
  { limit = LIMIT, skip = () => false, only = runtimes }: CrossOptions = {},
): void {
  const where = peerSystem.name && ` on ${peerSystem.name}`;
  const chosen = Number(turn) + Math.max(0, runtimes.indexOf(thisRuntime));
  for (const [at, runtime] of only.entries()) {
    if (pairs === "short" && at !== chosen % only.length) continue;
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
    await within(run(), "the test", limit * 1000);
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
    const exits = await within(
      Promise.all(peers.map((peer) => peer.end())),
      "the end of the peers",
      LIMIT * 1000,
    );
    assert.deepEqual(exits, peers.map(() => ({ code: 0, signal: null })));
    await checkNothingLeft();
  });
}

/** A name that no other test uses. */
export function uniqueName(): string {
  return `cross-${process.pid}-${++names}`;
}

/** Everything is closed: nothing of it may stay. */
async function checkNothingLeft(): Promise<void> {
  for (let tries = 0; filesIn().length > 0 && tries < 500; tries++) await sleep(2);
  assert.deepEqual(filesIn(), [], "left in the runtime directory");
}
