// A realm of this process in a directory of its own, and sources for it.

import { Realm } from "../../src/wake/realm.ts";
import { Polled, type Reactor, type Source } from "../../src/wake/reactor.ts";
import { Scratch } from "./scratch.ts";

/** Runs a task with a realm, which ends with it. */
export async function withRealm(
  task: (realm: Realm, scratch: Scratch) => void | Promise<void>,
): Promise<void> {
  using scratch = new Scratch();
  const closer = (): void => {};
  const realm = await Realm.acquire(scratch.path, closer);
  try {
    await task(realm, scratch);
  } finally {
    realm.release(closer);
  }
}

/** A source that counts how often it is polled after it was rung. */
export class RungSource implements Source {
  readonly index: number;
  polls = 0;

  constructor(reactor: Reactor) {
    this.index = reactor.reserve();
    reactor.attach(this.index, this);
  }

  poll(): Polled {
    this.polls++;
    return Polled.nothing;
  }

  arm(): boolean {
    return true;
  }
}
