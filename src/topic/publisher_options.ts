/**
 * Options of publishers, and their checks.
 *
 * @module
 */
import { checkCodec } from "../codec/codec.ts";
import { checkCapacity } from "../memory/capacity.ts";
import { MAX_SUBSCRIBERS } from "../memory/layout.ts";
import { checkCount, checkOptions, checkTimeout, show } from "../options.ts";
import type { OptionsOf } from "../options.ts";
import { ArgumentError } from "../errors.ts";
import { TOPIC_OPTIONS } from "./options.ts";
import type { TopicOptions } from "./options.ts";
import type { LagAction, TopicGoneReason } from "./subscriber_table.ts";
import { checkSendQueueBytes } from "../wake/send_waits.ts";

/** Options of `Publisher.open`. */
export interface PublisherOptions extends TopicOptions {
  /**
   * Data bytes of its ring: a power of two. Default 1 MiB. A message has at most a quarter
   * of it, less 16 bytes.
   */
  capacity?: number;
  /** The most subscribers at a time. Default 64, at most 4096. */
  maxSubscribers?: number;
  /**
   * The most messages that a late joiner gets, if it asks for them. Default: as many as the
   * ring holds.
   */
  history?: number;
  /**
   * For how many milliseconds at a stretch subscribers with `onLag: "block"` may keep the publisher
   * waiting for room. Those that exceed it get what `lagAction` says. 0: it never waits for a
   * subscriber. Default `Infinity`: it waits as long as they live.
   */
  maxLag?: number;
  /**
   * What happens to subscribers that exceed `maxLag`. `"disconnect"` (default): they are
   * disconnected from this publisher, and get a `LaggedError`. `"drop-oldest"`: they lose the oldest
   * messages, are told how many, and the publisher waits for them again once they have caught up.
   */
  lagAction?: LagAction;
  /**
   * The most bytes of messages that may wait for room. A `publish` beyond it, which a program that
   * awaits each one never makes, is refused with a `BackpressureError`. A message that is alone may
   * be larger. Default 16 MiB. Each message counts 128 bytes more.
   */
  sendQueueBytes?: number;
  /** A subscriber is there; `subscriber` is its id. */
  onConnect?: (subscriber: string) => void;
  /** A subscriber is gone. */
  onDisconnect?: (subscriber: string, reason: TopicGoneReason) => void;
}

const OPTIONS: OptionsOf<PublisherOptions> = {
  ...TOPIC_OPTIONS,
  capacity: true,
  maxSubscribers: true,
  history: true,
  maxLag: true,
  lagAction: true,
  sendQueueBytes: true,
  onConnect: true,
  onDisconnect: true,
};
const NAMES = Object.keys(OPTIONS);

const LAG_ACTIONS: Record<LagAction, true> = { "disconnect": true, "drop-oldest": true };
const DEFAULT_CAPACITY = 1 << 20;
const DEFAULT_SUBSCRIBERS = 64;

/** The limits of a publisher, checked, with defaults. */
export interface PublisherLimits {
  readonly capacity: number;
  readonly slots: number;
  readonly history: number;
  readonly maxLag: number;
  readonly lagAction: LagAction;
  readonly sendQueueBytes: number;
  readonly timeout: number;
}

/** Checks the options. @throws {ArgumentError} */
export function publisherLimits(options: PublisherOptions): PublisherLimits {
  checkOptions(options, NAMES);
  const {
    capacity = DEFAULT_CAPACITY,
    maxSubscribers = DEFAULT_SUBSCRIBERS,
    history = Infinity,
    maxLag = Infinity,
    lagAction = "disconnect",
  } = options;
  if (options.codec !== undefined) checkCodec(options.codec);
  checkCapacity(capacity);
  if (typeof maxLag !== "number" || !(maxLag >= 0)) {
    throw new ArgumentError(
      `\`maxLag\` is a number of milliseconds from 0, or Infinity, got ${show(maxLag)}`,
    );
  }
  if (!Object.hasOwn(LAG_ACTIONS, lagAction)) {
    throw new ArgumentError(
      `\`lagAction\` is "disconnect" or "drop-oldest", got ${show(lagAction)}`,
    );
  }
  return {
    capacity,
    slots: checkCount("maxSubscribers", maxSubscribers, 1, MAX_SUBSCRIBERS),
    history: checkCount("history", history, 0, Infinity),
    maxLag,
    lagAction,
    sendQueueBytes: checkSendQueueBytes(options.sendQueueBytes),
    timeout: checkTimeout(options.timeout, Infinity),
  };
}
