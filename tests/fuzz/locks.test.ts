// Garbage under locks, events and shared memory: errors of ours, never a crash or a hang.

import { test } from "node:test";
import { Event, Mutex, RwLock, SharedMemory } from "../../mod.ts";
import { Kind, Member, MembershipLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { fuzz, mutate, onlyOurs, turns } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";
import { native, Scratch } from "../support/scratch.ts";

type Opened = Mutex | RwLock | Event | SharedMemory;

const WAIT = { timeout: 1 };

/** Something that can be done, whatever the memory says. */
async function act(random: Random, it: Opened): Promise<void> {
  if (it instanceof Mutex) {
    switch (random.below(3)) {
      case 0:
        return it.tryLock()?.unlock();
      case 1:
        return it.lockSync(WAIT).unlock();
      default:
        return (await it.lock(WAIT)).unlock();
    }
  }
  if (it instanceof RwLock) {
    switch (random.below(6)) {
      case 0:
        return it.tryRead()?.unlock();
      case 1:
        return it.tryWrite()?.unlock();
      case 2:
        return it.readSync(WAIT).unlock();
      case 3:
        return it.writeSync(WAIT).unlock();
      case 4:
        return (await it.read(WAIT)).unlock();
      default:
        return (await it.write(WAIT)).unlock();
    }
  }
  if (it instanceof Event) {
    switch (random.below(4)) {
      case 0:
        return it.set();
      case 1:
        return it.reset();
      case 2:
        return it.waitSync(WAIT);
      default:
        return await it.wait(WAIT);
    }
  }
  it.bytes[random.below(it.size)] = 1;
}

const kinds: [folder: string, kind: Kind, open: (directory: string) => Promise<Opened>][] = [
  ["mutex", Kind.mutex, (directory) => Mutex.open("x", { directory })],
  ["rwlock", Kind.rwlock, (directory) => RwLock.open("x", { directory })],
  ["event", Kind.event, (directory) => Event.open("x", { autoReset: true, directory })],
  ["memory", Kind.memory, (directory) => SharedMemory.open("x", { size: 100, directory })],
];

test("garbage under locks and memory", () =>
  fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const [folder, kind, open] = random.pick(kinds);
    const opened = [await open(scratch.path), await open(scratch.path)];
    const segment = Segment.open(native, scratch.at(folder, "x", "shared"), kind)!;
    try {
      for (let step = 0; step < 20; step++) {
        // The pattern's words, the table of members, or the header.
        const member = (MembershipLayout.slots + Member.bytes * random.below(3)) >> 2;
        const [from, to] = random.pick(
          [
            [MembershipLayout.words >> 2, 192],
            [MembershipLayout.used >> 2, (MembershipLayout.used >> 2) + 1],
            [member, member + (Member.bytes >> 2)],
            [2, 14],
          ] as const,
        );
        mutate(random, segment.words, from, to);
        alive();
        await act(random, random.pick(opened)).catch(onlyOurs);
        if (random.below(6) === 0) {
          await open(scratch.path).then((more) => more.close(), onlyOurs);
        }
        await turns(1);
      }
    } finally {
      segment.close();
      for (const it of opened) {
        try {
          it.close();
        } catch (error) {
          onlyOurs(error);
        }
      }
    }
  }));
