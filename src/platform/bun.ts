/**
 * Bun: `bun:ffi`, and a thread-safe `JSCallback` to be woken.
 *
 * @module
 */
import type { Pointer } from "bun:ffi";
import type { Binding, Notifier } from "./binding.ts";
import type { NativeFunction, SymbolTable } from "./host.ts";
import { declarations } from "./host.ts";
import { openLibrary } from "./library.ts";
import { nodeHost, onExit } from "./node_host.ts";
import { inNextTurn, startTimeout, stopTimeout } from "../timers.ts";

type BunFfi = typeof import("bun:ffi");

/** What we use of Bun's own object, which type checkers of other runtimes don't know. */
interface BunGlobal {
  CryptoHasher: new (algorithm: string) => {
    update(bytes: Uint8Array): { digest(encoding: "hex"): string };
  };
}

const TYPES = { p: "ptr", a: "ptr", u: "u32", i: "i32", l: "u64" } as const;

function open(ffi: BunFfi, path: string, symbols: SymbolTable): Record<string, NativeFunction> {
  const functions = declarations(symbols, TYPES, (args) => ({ args, returns: "i32" as const }));
  return ffi.dlopen(path, functions).symbols as unknown as Record<string, NativeFunction>;
}

function createNotifier(ffi: BunFfi, task: () => void): Notifier {
  const callback = new ffi.JSCallback(task, { args: ["ptr"], returns: "void", threadsafe: true });
  return { callback: callback.ptr, descriptor: -1, close: () => callback.close() };
}

/** The binding for Bun. */
export async function load(): Promise<Binding> {
  const { process, Bun: { CryptoHasher } } = globalThis as typeof globalThis & { Bun: BunGlobal };
  // Not by an import: bundlers for other runtimes would look for the module.
  const ffi = process.getBuiltinModule("bun:ffi") as unknown as BunFfi;
  const { path, shim } = await openLibrary({
    ...nodeHost(),
    matches: (bytes, { sha256 }) =>
      new CryptoHasher("sha256").update(bytes).digest("hex") === sha256,
    open: (file, symbols) => open(ffi, file, symbols),
  });
  return {
    runtime: "bun",
    library: path,
    shim,
    variable: (name) => process.env[name],
    longestSleep: Infinity,
    largestBuffer: 2 ** 32,
    address: (value) => Number(value),
    // No deallocator: Bun may run one on a garbage collector thread.
    view: (address, bytes) => ffi.toArrayBuffer(Number(address) as Pointer, 0, bytes),
    nextTurn: (task) => void inNextTurn(task),
    createNotifier: (task) => createNotifier(ffi, task),
    startTimer: (task, milliseconds) => startTimeout(task, milliseconds).unref(),
    stopTimer: (timer) => stopTimeout(timer as ReturnType<typeof startTimeout>),
    onExit,
    onFault() {},
  };
}
