// Takes a lock, says so, and holds it until it is killed. See locks.test.ts.
//
// Not from mod.ts: thousands of these are started.

import process from "node:process";
import { Mutex } from "../../src/sync/mutex.ts";
import { RwLock } from "../../src/sync/rwlock.ts";

const [kind, how, name] = process.argv.slice(2) as [string, string, string];

async function take(): Promise<boolean> {
  if (kind === "mutex") {
    const mutex = await Mutex.open(name);
    return (how === "blocking" ? mutex.lockSync() : await mutex.lock()).recovered;
  }
  const lock = await RwLock.open(name);
  if (kind === "reader") {
    if (how === "blocking") lock.readSync();
    else await lock.read();
    return false;
  }
  return (how === "blocking" ? lock.writeSync() : await lock.write()).recovered;
}

process.stdout.write(`${await take() ? "recovered" : "clean"}\n`);
setInterval(() => {}, 1000);
