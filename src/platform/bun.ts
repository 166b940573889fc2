/**
 * Bun: `bun:ffi`, and a thread-safe `JSCallback` to be woken.
 *
 * @module
 */
import { dlopen, JSCallback, toArrayBuffer } from "bun:ffi";
import type { FFIFunction, Pointer } from "bun:ffi";
import process from "node:process";
import type { Binding, Notifier, Shim } from "./binding.ts";
import { SYMBOLS } from "./binding.ts";
import { openLibrary } from "./library.ts";

const TYPES = { p: "ptr", a: "ptr", u: "u32", i: "i32" } as const;

function open(path: string): Shim {
  const symbols: Record<string, FFIFunction> = {};
  for (const [name, types] of Object.entries(SYMBOLS)) {
    symbols[name] = {
      args: [...types].map((type) => TYPES[type as keyof typeof TYPES]),
      returns: "i32",
    };
  }
  return dlopen(path, symbols).symbols as unknown as Shim;
}

function createNotifier(task: () => void): Notifier {
  const callback = new JSCallback(task, { args: ["ptr"], returns: "void", threadsafe: true });
  return { callback: callback.ptr, descriptor: -1, close: () => callback.close() };
}

/** The binding for Bun. */
export function load(): Binding {
  const { path, shim } = openLibrary({
    os: process.platform,
    arch: process.arch,
    override: process.env["CAUSEWAY_LIBRARY"],
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
