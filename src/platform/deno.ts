/**
 * Deno: `Deno.dlopen`, and `UnsafeCallback.threadSafe` to be woken.
 *
 * Pointer views and callbacks need `--allow-ffi` without a path
 * (denoland/deno#15511). On Linux that is all a user has to allow; elsewhere the library can only
 * be loaded from a file, which needs the permissions to keep one.
 *
 * @module
 */
import type { Binding, Notifier } from "./binding.ts";
import type { Files, Host, NativeFunction, SymbolTable } from "./host.ts";
import { declarations, fileFacts } from "./host.ts";
import type { EmbeddedLibrary } from "./embedded.ts";
import { openLibrary } from "./library.ts";
import { PermissionError } from "../errors.ts";
import { inNextTurn, startTimeout, stopTimeout } from "../timers.ts";

const TYPES = { p: "buffer", a: "pointer", u: "u32", i: "i32", l: "u64" } as const;

/** Asks without asking the user. */
function granted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function open(path: string, symbols: SymbolTable): Record<string, NativeFunction> {
  const functions = declarations(
    symbols,
    TYPES,
    (parameters) => ({ parameters, result: "i32" as const }),
  );
  return Deno.dlopen(path, functions).symbols as Record<string, NativeFunction>;
}

// Deno's own functions: loading its version of node:fs takes 20 ms.
const files: Files = {
  allowed(path, how) {
    return granted({ name: "read", path }) && granted({ name: "sys", kind: "uid" }) &&
      (how === "read" || granted({ name: "write", path }));
  },
  realPath: (path) => Deno.realPathSync(path),
  inspect(path) {
    const stat = unlessMissing(() => Deno.lstatSync(path));
    return stat && fileFacts(stat, stat, Deno.uid());
  },
  makeDirectory: (path) => Deno.mkdirSync(path, { mode: 0o700 }),
  read: (path) => unlessMissing(() => Deno.readFileSync(path)),
  write: (path, bytes) => Deno.writeFileSync(path, bytes, { createNew: true, mode: 0o600 }),
  rename: (from, to) => Deno.renameSync(from, to),
  remove: (path) => Deno.removeSync(path),
};

function unlessMissing<T>(task: () => T): T | undefined {
  try {
    return task();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function matches(
  bytes: Uint8Array<ArrayBuffer>,
  { sha256 }: EmbeddedLibrary,
): Promise<boolean> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex() === sha256;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const { readable, writable } = new DecompressionStream("deflate-raw");
  const writer = writable.getWriter();
  const written = writer.write(bytes).then(() => writer.close());
  const chunks = await Array.fromAsync(readable);
  await written;
  return await new Blob(chunks).bytes();
}

function denoHost(): Host {
  return {
    os: Deno.build.os,
    arch: Deno.build.arch,
    fileFlags: "--allow-env --allow-read --allow-write --allow-sys=uid",
    variable: (name) => granted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined,
    open,
    matches,
    inflate,
    files,
  };
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
export async function load(): Promise<Binding> {
  if (!granted({ name: "ffi" })) {
    throw new PermissionError(
      "shared memory needs Deno's permission for native code, without a path: " +
        "run with `deno run --allow-ffi …` (or -A)",
    );
  }
  const { path, shim } = await openLibrary(denoHost());
  return {
    runtime: "deno",
    library: path,
    shim,
    variable: (name) => granted({ name: "env", variable: name }) ? Deno.env.get(name) : null,
    longestSleep: Infinity,
    largestBuffer: 2 ** 53 - 1,
    address: (value) => Deno.UnsafePointer.create(value),
    view(address, bytes) {
      const pointer = Deno.UnsafePointer.create(address) as Deno.PointerObject;
      return Deno.UnsafePointerView.getArrayBuffer(pointer, bytes);
    },
    nextTurn: (task) => void inNextTurn(task),
    createNotifier,
    startTimer(task, milliseconds) {
      const timer = startTimeout(task, milliseconds);
      Deno.unrefTimer(timer as unknown as number);
      return timer;
    },
    stopTimer: (timer) => stopTimeout(timer as number),
    // It isn't called after an error that nothing caught.
    onExit: (task) => globalThis.addEventListener("unload", () => task(false)),
    onFault(task) {
      globalThis.addEventListener("error", task);
      globalThis.addEventListener("unhandledrejection", task);
    },
  };
}
