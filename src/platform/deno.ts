/**
 * Deno: `Deno.dlopen`, and `UnsafeCallback.threadSafe` to be woken.
 *
 * Pointer views and callbacks need `--allow-ffi` without a path
 * (denoland/deno#15511), so one flag is all a user has to add.
 *
 * @module
 */
import type { Binding, Notifier, Shim } from "./binding.ts";
import { SYMBOLS } from "./binding.ts";
import { openLibrary } from "./library.ts";
import { PermissionError } from "../errors.ts";

const TYPES = { p: "buffer", a: "pointer", u: "u32", i: "i32" } as const;

function permission(name: "ffi" | "env"): boolean {
  return Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state === "granted";
}

function environment(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

function open(path: string): Shim {
  const symbols: Record<string, Deno.ForeignFunction> = {};
  for (const [name, types] of Object.entries(SYMBOLS)) {
    symbols[name] = {
      parameters: [...types].map((type) => TYPES[type as keyof typeof TYPES]),
      result: "i32",
    };
  }
  return Deno.dlopen(path, symbols).symbols as unknown as Shim;
}

function createNotifier(task: () => void): Notifier {
  const callback = Deno.UnsafeCallback.threadSafe(
    { parameters: ["pointer"], result: "void" } as const,
    task,
  );
  // The reactor decides what keeps the process alive, in the same way on every runtime.
  callback.unref();
  return { callback: callback.pointer, descriptor: -1, close: () => callback.close() };
}

/** The binding for Deno. */
export function load(): Binding {
  if (!permission("ffi")) {
    throw new PermissionError(
      "shared memory needs Deno's permission for native code, without a path: " +
        "run with `deno run --allow-ffi …` (or -A)",
    );
  }
  const { path, shim } = openLibrary({
    os: Deno.build.os,
    arch: Deno.build.arch,
    override: environment("CAUSEWAY_LIBRARY"),
    open,
  });
  return {
    runtime: "deno",
    library: path,
    shim,
    longestSleep: Infinity,
    largestBuffer: 2 ** 53 - 1,
    address: (value) => Deno.UnsafePointer.create(value),
    view(address, bytes) {
      const pointer = Deno.UnsafePointer.create(address) as Deno.PointerObject;
      return Deno.UnsafePointerView.getArrayBuffer(pointer, bytes);
    },
    nextTurn: (task) => void setImmediate(task),
    createNotifier,
    startTimer(task, milliseconds) {
      const timer = setTimeout(task, milliseconds);
      Deno.unrefTimer(timer as unknown as number);
      return timer;
    },
    stopTimer: (timer) => clearTimeout(timer as number),
    onExit: (task) => globalThis.addEventListener("unload", task),
    onFault(task) {
      globalThis.addEventListener("error", task);
      globalThis.addEventListener("unhandledrejection", task);
    },
  };
}
