/**
 * Bun: `bun:ffi`, and a thread-safe `JSCallback` to be woken.
 *
 * @module
 */
import type { FFIFunction, Pointer } from "bun:ffi";
import type { Binding, Notifier } from "./binding.ts";
import type { NativeFunction } from "./host.ts";
import { openLibrary } from "./library.ts";
import { nodeHost } from "./node_host.ts";

const { process } = globalThis;

// Not by an import: bundlers for other runtimes would look for the module.
const { dlopen, JSCallback, toArrayBuffer } = process.getBuiltinModule(
  "bun:ffi",
) as unknown as typeof import("bun:ffi");

const TYPES = { p: "ptr", a: "ptr", u: "u32", i: "i32", l: "u64" } as const;

function open(
  path: string,
  symbols: Readonly<Record<string, string>>,
): Record<string, NativeFunction> {
  const functions: Record<string, FFIFunction> = {};
  for (const [name, types] of Object.entries(symbols)) {
    functions[name] = {
      args: [...types].map((type) => TYPES[type as keyof typeof TYPES]),
      returns: "i32",
    };
  }
  return dlopen(path, functions).symbols as unknown as Record<string, NativeFunction>;
}

function createNotifier(task: () => void): Notifier {
  const callback = new JSCallback(task, { args: ["ptr"], returns: "void", threadsafe: true });
  return { callback: callback.ptr, descriptor: -1, close: () => callback.close() };
}

/** The binding for Bun. */
export async function load(): Promise<Binding> {
  const { path, shim } = await openLibrary({
    ...nodeHost,
    digest: (bytes) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
    open,
  });
  return {
    runtime: "bun",
    library: path,
    shim,
    longestSleep: Infinity,
    largestBuffer: 2 ** 32,
    address: (value) => Number(value),
    // No deallocator: Bun may run one on a garbage collector thread.
    view: (address, bytes) => toArrayBuffer(Number(address) as Pointer, 0, bytes),
    nextTurn: (task) => void setImmediate(task),
    createNotifier,
    startTimer: (task, milliseconds) => setTimeout(task, milliseconds).unref(),
    stopTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
    onExit: (task) => void process.on("exit", task),
    onFault() {},
  };
}
