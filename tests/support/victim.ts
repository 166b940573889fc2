// A channel whose partner is hostile.

import assert from "node:assert/strict";
import { Channel, CorruptSegmentError } from "../../mod.ts";
import type { ChannelOptions } from "../../mod.ts";
import { assertEmpty } from "./api.ts";
import { HostilePartner } from "./hostile.ts";
import { Scratch } from "./scratch.ts";
import { until, within } from "./watchdog.ts";

/** Bytes of its rings. */
export const CAPACITY = 4096;

/** A channel and its hostile partner, connected unless `answer` is false. */
export class Victim implements AsyncDisposable {
  readonly gone: string[] = [];
  readonly errors: unknown[] = [];
  readonly messages: (Uint8Array | undefined)[] = [];
  readonly channel: Channel;
  readonly partner: HostilePartner;
  readonly #scratch: Scratch;

  private constructor(scratch: Scratch, channel: Channel, partner: HostilePartner) {
    this.#scratch = scratch;
    this.channel = channel;
    this.partner = partner;
  }

  static async open(options: ChannelOptions = {}, answer = true): Promise<Victim> {
    const scratch = new Scratch();
    let victim: Victim | undefined = undefined as Victim | undefined;
    const channel = await Channel.open("name", {
      directory: scratch.path,
      capacity: CAPACITY,
      onDisconnect: (reason) => void victim!.gone.push(reason),
      onError: (error) => void victim!.errors.push(error),
      onMessage: (payload) => void victim!.messages.push(payload),
      ...options,
    });
    victim = new Victim(scratch, channel, new HostilePartner(scratch, ["channel", "name"]));
    if (answer) {
      victim.partner.answer();
      await channel.whenConnected();
    }
    return victim;
  }

  /** The channel must notice, and then serve an honest partner. */
  async mustRecover(why = /./): Promise<void> {
    await until(() => this.gone.length === 1, "the end of the connection");
    assert.deepEqual(this.gone, ["corrupt"]);
    assert.ok(this.errors[0] instanceof CorruptSegmentError, String(this.errors[0]));
    assert.match(String(this.errors[0]), why);
    await this.mustServe();
  }

  async mustServe(): Promise<void> {
    await using honest = await Channel.open("name", { directory: this.#scratch.path });
    await within(honest.whenConnected(), "an honest partner", 20_000);
    const { length } = this.messages;
    honest.send(new Uint8Array([1, 2, 3]));
    await until(() => this.messages.length > length, "its message");
    assert.deepEqual([...this.messages.at(-1)!], [1, 2, 3]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel.close();
    this.partner[Symbol.dispose]();
    assertEmpty(this.#scratch);
    this.#scratch[Symbol.dispose]();
  }
}
