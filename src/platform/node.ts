/**
 * Node: `node:ffi`, and a pipe to be woken, because a callback from another
 * thread aborts the process.
 *
 * Nothing is imported from Node: making a module of what it has built in takes as long as loading
 * it, and the other runtimes, which read this file too, don't have all of it.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Binding, Notifier, Shim } from "./binding.ts";
import { Status } from "./binding.ts";
import type { NativeFunction, SymbolTable } from "./host.ts";
import { declarations } from "./host.ts";
import { openLibrary } from "./library.ts";
import { nodeHost, onExit } from "./node_host.ts";
import { LibraryError, LimitError, SystemError } from "../errors.ts";
import { inNextTurn, startTimeout, stopTimeout } from "../timers.ts";

/** What we use of `node:ffi`, which type checkers and bundlers of other runtimes don't know. */
interface NodeFfi {
  dlopen(
    path: string,
    symbols: Record<string, { arguments: string[]; return: string }>,
  ): { functions: unknown };
  toArrayBuffer(address: bigint, bytes: number, copy: boolean): ArrayBuffer;
}

function nodeFfi(): NodeFfi {
  const { process } = globalThis;
  const ffi = process.getBuiltinModule?.("node:ffi") as unknown as NodeFfi | undefined;
  if (ffi !== undefined) return ffi;
  throw new LibraryError(
    `node:ffi isn't there in Node ${process.version}: Node 26.1 or newer is needed, ` +
      "without --no-experimental-ffi",
  );
}

const TYPES = { p: "buffer", a: "pointer", u: "u32", i: "i32", l: "u64" } as const;

function open(ffi: NodeFfi, path: string, symbols: SymbolTable): Record<string, NativeFunction> {
  const functions = declarations(symbols, TYPES, (types) => ({ arguments: types, return: "i32" }));
  return ffi.dlopen(path, functions).functions as Record<string, NativeFunction>;
}

function createNotifier(shim: Shim, task: () => void): Notifier {
  const ends = new Int32Array(2);
  const status = shim.cw_pipe_open(ends);
  if (status !== 0) throw pipeError(shim, status);
  const [readEnd, writeEnd] = ends as unknown as [number, number];
  const socket = openReader(readEnd);
  socket.on("data", task);
  // The reactor decides what keeps the process alive, in the same way on every runtime.
  socket.unref();
  return {
    callback: 0n,
    descriptor: writeEnd,
    close() {
      shim.cw_descriptor_close(writeEnd);
      socket.destroy();
    },
  };
}

/** The socket over what `cw_pipe_open` calls the pipe's read end. */
function openReader(readEnd: number): Socket {
  const { process } = globalThis;
  const { connect, Socket } = process.getBuiltinModule("node:net");
  if (process.platform !== "win32") {
    return new Socket({ fd: readEnd, readable: true, writable: false });
  }
  // Descriptors there are those of one C library: the pipe is a named one. It is open when
  // `connect` returns, so nothing can be written before.
  return connect(`\\\\.\\pipe\\causeway-${process.pid}-${readEnd}`);
}

function pipeError(shim: Shim, status: number): Error {
  const what = "can't open a pipe for the watcher";
  return status === Status.limit
    ? new LimitError(
      `${what}: out of descriptors; close what isn't needed or raise the limit (ulimit -n)`,
    )
    : new SystemError(`${what}: status ${status}`, shim.cw_last_error());
}

/** A worker that is terminated ends when it is back in JavaScript, no sooner. */
function longestSleep(): number {
  const { isMainThread } = globalThis.process.getBuiltinModule("node:worker_threads");
  return isMainThread ? Infinity : 500;
}

/** The binding for Node. */
export async function load(): Promise<Binding> {
  const { process } = globalThis;
  const ffi = nodeFfi();
  const { path, shim } = await openLibrary({
    ...nodeHost(),
    open: (file, symbols) => open(ffi, file, symbols),
  });
  return {
    runtime: "node",
    library: path,
    shim,
    variable: (name) => process.env[name],
    get longestSleep() {
      return longestSleep();
    },
    largestBuffer: 2 ** 53 - 1,
    address: (value) => value,
    view: (address, bytes) => ffi.toArrayBuffer(address, bytes, false),
    nextTurn: (task) => void inNextTurn(task),
    createNotifier: (task) => createNotifier(shim, task),
    startTimer: (task, milliseconds) => startTimeout(task, milliseconds).unref(),
    stopTimer: (timer) => stopTimeout(timer as ReturnType<typeof startTimeout>),
    onExit,
    onFault() {},
  };
}
