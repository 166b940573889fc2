/**
 * What the core needs from a runtime: the shim's functions and a handful of
 * things that each runtime does in its own way. The adapters in this folder are
 * the only files that name a runtime.
 *
 * @module
 */

/** A native address in the form the runtime's FFI wants it back. Opaque to the core. */
export type Address = unknown;

/** Negative results of the shim, as in `csrc/causeway.h`. */
export const Status = {
  ok: 0,
  system: -1,
  exists: -2,
  notFound: -3,
  denied: -4,
  noSpace: -5,
  notOwner: -6,
  link: -7,
  type: -8,
  mode: -9,
  limit: -10,
  timeout: -11,
  busy: -12,
  unsupported: -13,
  argument: -14,
  size: -15,
  readOnly: -16,
} as const;

/** The version of the shim's interface that this core speaks. */
export const SHIM_ABI = 1;

/** For waits that never end. */
export const FOREVER = 0xffff_ffff;

/**
 * The shim's functions, with the names of `csrc/causeway.h`. A `Uint8Array` or
 * `BigUint64Array` stands for a pointer to its first byte; paths are UTF-8 with
 * a final NUL.
 */
export interface Shim {
  cw_abi(): number;
  cw_last_error(): number;
  cw_error_text(number: number, out: Uint8Array, capacity: number): number;
  cw_directory_default(out: Uint8Array, capacity: number, ignoreChosen: number): number;
  cw_directory_is_chosen(): number;
  cw_directory_prepare(path: Uint8Array): number;
  cw_directory_lock(path: Uint8Array, timeoutMicros: number): number;
  cw_directory_unlock(handle: number): number;
  cw_directory_list(path: Uint8Array, out: Uint8Array, capacity: number): number;
  cw_directory_remove(path: Uint8Array): number;
  cw_directory_space(path: Uint8Array, out: BigUint64Array): number;
  cw_file_remove(path: Uint8Array): number;
  cw_file_rename(from: Uint8Array, to: Uint8Array): number;
  cw_file_link(from: Uint8Array, to: Uint8Array): number;
  cw_segment_create(path: Uint8Array, pages: number, out: BigUint64Array): number;
  cw_segment_open(path: Uint8Array, out: BigUint64Array): number;
  cw_segment_release_handle(segment: BigUint64Array): number;
  cw_segment_close(segment: BigUint64Array): number;
  cw_lease_take(segment: BigUint64Array): number;
  cw_lease_test(segment: BigUint64Array): number;
  cw_claims_open(directory: Uint8Array): number;
  cw_claims_close(claims: number): number;
  cw_claim_take(claims: number, name: Uint8Array, generation: number): number;
  cw_claim_drop(claims: number, name: Uint8Array, generation: number): number;
  cw_claim_find(claims: number, name: Uint8Array, from: number, count: number): number;
  cw_wait(base: Address, offset: number, expected: number, timeoutMicros: number): number;
  cw_wake(base: Address, offset: number): number;
  cw_watcher_start(
    segment: BigUint64Array,
    bellOffset: number,
    blockOffset: number,
    deathsOffset: number,
    readyOffset: number,
    directory: Uint8Array,
    callback: Address,
    argument: Address,
    notifyDescriptor: number,
    out: BigUint64Array,
  ): number;
  cw_watcher_stop(watcher: Address): number;
  cw_semaphore_open(name: Uint8Array, flags: number, initial: number, out: BigUint64Array): number;
  cw_semaphore_post(semaphore: Address): number;
  cw_semaphore_wait(semaphore: Address, timeoutMicros: number): number;
  cw_semaphore_close(semaphore: Address): number;
  cw_semaphore_unlink(name: Uint8Array): number;
  cw_acquirer_open(
    semaphore: Address,
    segment: BigUint64Array,
    bellOffset: number,
    blockOffset: number,
    bits: Uint8Array,
    out: BigUint64Array,
  ): number;
  cw_acquirer_want(acquirer: Address, total: number): number;
  cw_acquirer_close(acquirer: Address, used: number): number;
  cw_random(out: Uint8Array, length: number): number;
  cw_pipe_open(out: Int32Array): number;
  cw_descriptor_close(descriptor: number): number;
}

export type { AsyncScope } from "./async_scope.ts";

/** The watcher's way back into the event loop. */
export interface Notifier {
  /** Address of a native function that wakes the event loop from any thread, or null. */
  readonly callback: Address;
  /** Descriptor to write a byte to where there is no such function, else -1. */
  readonly descriptor: number;
  /** Gives it up. The watcher has been stopped before. */
  close(): void;
}

/** One runtime. */
export interface Binding {
  /** `"deno"`, `"bun"` or `"node"`. */
  readonly runtime: string;
  /** The library that was loaded. */
  readonly library: string;
  readonly shim: Shim;
  /** An environment variable as the program sees it now; `null` if we may not look. */
  variable(name: string): string | undefined | null;
  /** The longest a thread may sleep in a blocking call at a time, in ms. */
  readonly longestSleep: number;
  /** The largest `ArrayBuffer`, in bytes. */
  readonly largestBuffer: number;
  /** The number of an address as the FFI wants it. */
  address(value: bigint): Address;
  /** A view of native memory, without a copy and without an owner. */
  view(address: bigint, bytes: number): ArrayBuffer;
  /** Runs `task` in the next turn of the event loop, after I/O had its chance. */
  nextTurn(task: () => void): void;
  /** Makes the way by which the watcher starts `task` in the event loop. */
  createNotifier(task: () => void): Notifier;
  /** A one-shot timer that doesn't keep the process alive. */
  startTimer(task: () => void, milliseconds: number): Timer;
  stopTimer(timer: Timer): void;
  /**
   * Runs `task` when the process or worker ends by itself; `crashed`: by an error that nothing
   * caught, as far as the runtime tells.
   */
  onExit(task: (crashed: boolean) => void): void;
  /**
   * Runs `task` when an uncaught error may be about to end the realm,
   * where a call of the notifier's callback would then crash the process (Deno).
   */
  onFault(task: () => void): void;
}

/** A timer of the runtime. Opaque to the core. */
export type Timer = unknown;

/**
 * The symbols of the shim and their types, in one table: the adapters translate
 * it into what their FFI wants. `p` a buffer, `a` an address, `u`/`i` 32 bits.
 */
export const SYMBOLS: Readonly<Record<keyof Shim, string>> = {
  cw_abi: "",
  cw_last_error: "",
  cw_error_text: "ipu",
  cw_directory_default: "puu",
  cw_directory_is_chosen: "",
  cw_directory_prepare: "p",
  cw_directory_lock: "pu",
  cw_directory_unlock: "i",
  cw_directory_list: "ppu",
  cw_directory_remove: "p",
  cw_directory_space: "pp",
  cw_file_remove: "p",
  cw_file_rename: "pp",
  cw_file_link: "pp",
  cw_segment_create: "pup",
  cw_segment_open: "pp",
  cw_segment_release_handle: "p",
  cw_segment_close: "p",
  cw_lease_take: "p",
  cw_lease_test: "p",
  cw_claims_open: "p",
  cw_claims_close: "i",
  cw_claim_take: "ipu",
  cw_claim_drop: "ipu",
  cw_claim_find: "ipuu",
  cw_wait: "auuu",
  cw_wake: "au",
  cw_watcher_start: "puuuupaaip",
  cw_watcher_stop: "a",
  cw_semaphore_open: "puup",
  cw_semaphore_post: "a",
  cw_semaphore_wait: "au",
  cw_semaphore_close: "a",
  cw_semaphore_unlink: "p",
  cw_acquirer_open: "apuupp",
  cw_acquirer_want: "au",
  cw_acquirer_close: "au",
  cw_random: "pu",
  cw_pipe_open: "p",
  cw_descriptor_close: "i",
};
