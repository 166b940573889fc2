/**
 * Options of subscribers, and their checks.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import { ArgumentError } from "../errors.ts";
import { checkCount, checkFlag, checkOptions, checkTimeout, show } from "../options.ts";
import type { OptionsOf } from "../options.ts";
import { POLICIES } from "./folder.ts";
import { TOPIC_OPTIONS } from "./options.ts";
import type { TopicOptions } from "./options.ts";
import type { TopicGoneReason } from "./subscriber_table.ts";

/** What a message is, besides its value. */
export interface MessageInfo {
  /** Id of its publisher. */
  readonly publisher: string;
  /** Its number: how many its publisher had published before it. */
  readonly sequence: number;
}

/** Options of `Subscriber.open`. */
export interface SubscriberOptions<T = unknown> extends TopicOptions {
  /**
   * What happens when a publisher's ring is full of messages that this subscriber hasn't
   * read: `"block"` (default) makes the publisher wait, for all, within its `maxLag`;
   * `"drop-oldest"` loses the oldest ones, and says exactly how many; `"disconnect"` ends the
   * connection with that publisher with a `LaggedError`. `"latest"` always reads a
   * publisher's newest message; what it skips counts as lost.
   */
  onLag?: "block" | "drop-oldest" | "disconnect" | "latest";
  /**
   * How many of the last messages of each publisher that is there already to begin with;
   * `"latest"`: one. Default 0. There are at most as many as the publisher's ring holds.
   */
  history?: number | "latest";
  /**
   * Called with each message. If it returns a promise, the next message waits for it. With
   * it there is no `receive` and no `for await`.
   */
  onMessage?: (value: T, info: MessageInfo) => unknown;
  /** So many messages of that publisher were lost, right before the next one. */
  onLost?: (count: number, publisher: string) => void;
  /** A publisher is there; `publisher` is its id. */
  onConnect?: (publisher: string) => void;
  /** A publisher is gone, and all that it published was read. */
  onDisconnect?: (publisher: string, reason: TopicGoneReason) => void;
  /**
   * Decode messages of 4 KiB or more in place, without a copy: bytes in what `onMessage`
   * gets are then valid until it returns, or its promise is settled. Needs `onMessage`;
   * takes effect with `onLag: "block"`, and publishers without `maxLag`. Default false.
   */
  borrow?: boolean;
}

const OPTIONS: OptionsOf<SubscriberOptions> = {
  ...TOPIC_OPTIONS,
  onLag: true,
  history: true,
  onMessage: true,
  onLost: true,
  onConnect: true,
  onDisconnect: true,
  borrow: true,
};
const NAMES = Object.keys(OPTIONS);

/** `history` in shared memory for as many as there are. */
const ALL = 0xffff_ffff;

/** The option as a number for shared memory. */
export function historyOf(history: number | "latest" | undefined): number {
  if (history === undefined) return 0;
  return history === "latest" ? 1 : Math.min(history, ALL);
}

/** @throws {ArgumentError} */
export function checkSubscriberOptions<T>(options: SubscriberOptions<T>): void {
  // `onLag` is no handler, though it looks like one.
  const isObject = typeof options === "object" && options !== null;
  checkOptions(isObject ? { ...options, onLag: undefined } : options, NAMES);
  const { codec, onLag, history, borrow, onMessage, timeout } = options;
  if (codec !== undefined) checkCodec(codec);
  if (onLag !== undefined && !Object.hasOwn(POLICIES, onLag)) {
    throw new ArgumentError(
      `\`onLag\` is "block", "drop-oldest", "disconnect" or "latest", got ${show(onLag)}`,
    );
  }
  if (history !== undefined && history !== "latest") checkCount("history", history, 0, Infinity);
  checkFlag("borrow", borrow);
  if (borrow === true && onMessage === undefined) {
    throw new ArgumentError("`borrow` needs `onMessage`: its end is when the handler has finished");
  }
  checkTimeout(timeout, Infinity);
}
