// A realm of this process in a directory of its own, and sources for it.

import { Membership } from "../../src/membership/membership.ts";
import type { MembershipHooks, MembershipParameters } from "../../src/membership/membership.ts";
import { Handle } from "../../src/wake/handle.ts";
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

/** A member of a shared segment, on a handle of its own. */
export async function joinMember(
  directory: string,
  parameters: MembershipParameters,
  hooks: MembershipHooks = { recover: () => {} },
): Promise<Membership> {
  return await Handle.open({ what: "a member", directory }, async (handle) => {
    const membership = await Membership.open(handle, parameters, hooks);
    const { leave } = membership;
    membership.leave = (stayMapped) => {
      leave.call(membership, stayMapped);
      handle.close();
    };
    return membership;
  });
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

  fail(error: unknown): void {
    throw error;
  }
}
