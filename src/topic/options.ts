/**
 * What publishers and subscribers have in common: options, their checks, and types.
 *
 * @module
 */
import { bytes } from "../codec/bytes.ts";
import type { Codec } from "../codec/codec.ts";
import { messagePack } from "../codec/messagepack.ts";
import { passMemory } from "../share/passing.ts";
import type { Realm } from "../wake/realm.ts";

/** Options of both. */
export interface TopicOptions {
  /** How values become bytes; all on a topic use the same. Default {@linkcode messagePack}. */
  codec?: Codec;
  /** Milliseconds that calls wait unless they say otherwise. Default: for ever. */
  timeout?: number;
  /**
   * The runtime directory in which they meet: an absolute path. Default: `CAUSEWAY_DIR`,
   * or a private one of the user.
   */
  directory?: string;
  /** Gives up opening when it is aborted. It does nothing afterwards. */
  signal?: AbortSignal;
  /**
   * Told of failures that no call waits for. Default: what a callback throws goes to the console;
   * what a peer does wrong is dropped.
   */
  onError?: (error: unknown) => void;
}

/** The names of all options; held against the interface by the compiler. */
export const TOPIC_OPTIONS: Record<keyof TopicOptions, true> = {
  codec: true,
  timeout: true,
  directory: true,
  signal: true,
  onError: true,
};

/**
 * The codec of a publisher or subscriber. Shared memory goes by reference, where the codec
 * can do that; the process that publishes it keeps it open until it was received.
 */
export function topicCodec(codec: Codec = messagePack, realm: Realm): Codec {
  return codec === bytes ? codec : passMemory(codec, realm, { hold: "open" });
}

/** What a codec turns bytes into. */
export type Decoded<C extends Codec> = ReturnType<C["decode"]>;

/** A message as it is handed over: bytes, or several parts of bytes. */
export type Bytes = Uint8Array<ArrayBuffer>;
