/**
 * Calls of methods and functions over one connection, in both directions: values
 * go through the codec, methods are numbered when they are first used, functions
 * and streams can be arguments and results.
 *
 * @module
 */
import type { Codec } from "../codec/codec.ts";
import { decodeFailure, encodeFailure } from "../codec/failure.ts";
import { nameArgument } from "../codec/refusal.ts";
import type { Connection } from "../connection/connection.ts";
import type { CallOptions, ConnectionHandler } from "../connection/handler.ts";
import type { IncomingCall } from "../connection/incoming.ts";
import { MAX_HOLDS, MAX_METHOD_NAME, MAX_METHOD_NAMES, MAX_METHODS } from "../connection/limits.ts";
import {
  ArgumentError,
  CodecError,
  CorruptSegmentError,
  LimitError,
  UnknownMethodError,
} from "../errors.ts";
import { show } from "../options.ts";
import { guardedResult, isPromiseLike, OwnPromise } from "../failures.ts";
import { nameCaller } from "../stacks.ts";
import { RecordFlag } from "../ring/record.ts";
import type { GoneReason } from "../errors.ts";
import type { AsyncScope } from "../platform/binding.ts";
import type { Handle } from "../wake/handle.ts";
import { MemoryPassing } from "../share/passing.ts";
import type { Holds } from "../share/passing.ts";
import { attachedTo, Attaching } from "./attaching.ts";
import { runCall } from "./context.ts";
import { bindCall, bindSignal, endAll } from "./call_streams.ts";
import { Functions } from "./functions.ts";
import { StreamReferences } from "./stream_references.ts";
import type { StreamEnd } from "./stream_references.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Callable = (...args: unknown[]) => unknown;

/** The method id of calls of functions: `[id, arguments]` is the payload. */
const FUNCTION_CALL = 0xffff;
const functionCall = (): number => FUNCTION_CALL;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What an exchange is made of. */
export interface ExchangeOptions {
  readonly codec: Codec;
  /** The object whose methods the peer may call. */
  readonly api: object | undefined;
  readonly exposeStacks: boolean;
  /** How long calls of the peer's functions wait, in ms. */
  readonly timeout: number;
  /** What was opened: takes failures that no caller waits for. */
  readonly handle: Handle;
  readonly onGone: (reason: GoneReason, cause: unknown) => void;
}

/** A method the peer has named. */
interface Named {
  readonly path: string;
  /** Its parts, once it was found. */
  keys: string[] | undefined;
}

/** An answer that brought streams, functions or memory. */
class StreamAnswer {
  readonly value: unknown;
  readonly ends: readonly StreamEnd[];

  constructor(value: unknown, ends: readonly StreamEnd[]) {
    this.value = value;
    this.ends = ends;
  }
}

/** See the module. */
export class Exchange implements ConnectionHandler {
  /** See {@linkcode ConnectionHandler}. */
  readonly scope: AsyncScope | undefined;
  /** See {@linkcode ConnectionHandler}. */
  readonly ownsPayloads: boolean;
  readonly #options: ExchangeOptions;
  readonly #codec: Codec;
  readonly #functions: Functions;
  readonly #streams: StreamReferences;
  readonly #memory: MemoryPassing;
  /** Method ids that this side gave, by path. */
  readonly #numbers = new Map<string, number>();
  /** Methods that the peer named, by id. */
  readonly #named: Named[] = [];
  /** Bytes of both kinds of names. */
  #numbersBytes = 0;
  #namedBytes = 0;
  #connection: Connection | undefined;
  /** Why the message that came last couldn't be read. */
  #unread: unknown;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.scope = options.handle.scope;
    this.#codec = options.codec;
    this.ownsPayloads = options.codec.output === "fresh";
    this.#streams = new StreamReferences(
      () => this.#connection!.streams,
      (value) => this.encode(this.#streams.wrap(value)),
    );
    this.#memory = new MemoryPassing(() => this.#connection!.realm, {
      hold: "held",
      maxHolds: MAX_HOLDS,
    });
    this.#functions = new Functions({
      call: (id, args) => this.#callFunction(id, args),
      send: (_held, id, args) => this.#sendFunction(id, args),
      release: (id, count) => this.#connection?.release(id, count),
    }, [this.#memory, ...this.#streams.types]);
  }

  /** Functions that cross it now: of this side, and of the other. */
  get functions(): { exported: number; imported: number } {
    return this.#functions.sizes;
  }

  /** The connection that it works on, made after it. */
  use(connection: Connection): void {
    this.#connection = connection;
    connection.streams.decodeWith((payload) => this.#decode(payload));
  }

  // ------------------------------------------------------------------ outgoing

  /** Calls a method of the peer. */
  call(
    connection: Connection,
    path: string,
    args: unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    return this.#request(connection, () => this.number(connection, path), path, args, options);
  }

  #request(
    connection: Connection,
    method: () => number,
    path: string,
    args: unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    const own = new OwnPromise();
    return own.is(this.#run(own, connection, method, path, args, options));
  }

  async #run(
    own: OwnPromise,
    connection: Connection,
    method: () => number,
    path: string,
    args: unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    const ends: StreamEnd[] = [];
    const { signal } = options;
    let holds: Holds | undefined;
    try {
      const payload = this.#encodeArguments(ends, args, method === functionCall ? 1 : 0);
      holds = this.#memory.take();
      const flags = ends.length > 0 ? RecordFlag.references : 0;
      const onUnread = this.#onUnread();
      const id = this.#numberFor(method, onUnread);
      const answer = await connection.request(id, payload, options, flags, onUnread);
      if (answer === undefined && ends.length === 0) return undefined;
      const value = this.#valueOf(answer, ends);
      if (signal !== undefined && ends.length > 0) bindSignal(ends, signal);
      return value;
    } catch (error) {
      // Whoever was called won't read on, or was never called.
      endAll(ends, error);
      throw own.fails(nameCaller(error, this.#run, callOf(connection, path), signal));
    } finally {
      holds?.release();
    }
  }

  /** Calls a method of the peer, blocking the thread. */
  callSync(connection: Connection, path: string, args: unknown[], timeout: number): unknown {
    const ends: StreamEnd[] = [];
    let holds: Holds | undefined;
    try {
      const payload = this.#encodeArguments(ends, args, 0);
      holds = this.#memory.take();
      if (ends.length > 0) {
        this.#onUnread()?.();
        throw new ArgumentError(
          `a blocking call can't have streams as arguments: nothing could be read from them or ` +
            `written to them while the thread waits; use \`client.remote.${path}\``,
        );
      }
      const onUnread = this.#onUnread();
      const method = this.#numberFor(() => this.number(connection, path), onUnread);
      return this.#valueOf(connection.requestSync(method, payload, timeout, onUnread), ends);
    } catch (error) {
      endAll(ends, error);
      throw nameCaller(error, this.callSync, callOf(connection, path));
    } finally {
      holds?.release();
    }
  }

  /** Takes back what the value brings that was just encoded, when it wasn't received. */
  #onUnread(): (() => void) | undefined {
    const exports = this.#functions.takeExports();
    return exports && (() => this.#functions.takeBack(exports));
  }

  #numberFor(method: () => number, onUnread: (() => void) | undefined): number {
    try {
      return method();
    } catch (error) {
      onUnread?.();
      throw error;
    }
  }

  /** Calls a method of the peer that answers nothing; false if the call waits for room. */
  send(connection: Connection, path: string, args: unknown[]): boolean {
    return this.#send(connection, () => this.number(connection, path), args);
  }

  #send(
    connection: Connection,
    method: () => number,
    args: unknown[],
    depth = 0,
  ): boolean {
    const payload = this.encodeArguments(args, depth);
    const onUnread = this.#onUnread();
    const holds = this.#memory.watch();
    try {
      return connection.send(method(), payload);
    } catch (error) {
      onUnread?.();
      holds?.release();
      throw error;
    }
  }

  #encodeArguments(ends: StreamEnd[], args: unknown[], depth: number): Uint8Array {
    if (!args.some(isObject)) return this.encodeArguments(args, depth);
    return this.#streams.within({ ends }, () => {
      return this.encodeArguments(args.map((each) => this.#streams.wrap(each)), depth);
    });
  }

  /** The payload for arguments, which are so deep in it. What can't be sent is named as one of them. */
  encodeArguments(args: unknown[], depth = 0): Uint8Array {
    try {
      return this.#encodeMessage(args);
    } catch (error) {
      throw nameArgument(error, depth);
    }
  }

  /** The id of a method, told to the peer before its first use. */
  number(connection: Connection, path: string): number {
    let id = this.#numbers.get(path);
    if (id === undefined) {
      if (!path.isWellFormed()) {
        throw new ArgumentError(`a method's name holds half of a surrogate pair: "${path}"`);
      }
      const name = encoder.encode(path);
      id = this.#numbers.size;
      this.#checkName(id, name, path);
      connection.define(id, name);
      this.#numbers.set(path, id);
      this.#numbersBytes += name.length;
    }
    return id;
  }

  #checkName(id: number, name: Uint8Array, path: string): void {
    if (name.length > MAX_METHOD_NAME) {
      throw new ArgumentError(
        `a method's name has at most ${MAX_METHOD_NAME} bytes, this one has ${name.length}: ` +
          `"${path.slice(0, 40)}…"`,
      );
    }
    if (id < MAX_METHODS && this.#numbersBytes + name.length <= MAX_METHOD_NAMES) return;
    throw new LimitError(
      `on one connection ${MAX_METHODS} different methods can be called, whose names have ` +
        `${MAX_METHOD_NAMES} bytes together; "${path}" is one more: pass what varies as an argument`,
    );
  }

  /** The payload for a value. */
  encode(value: unknown): Uint8Array {
    this.#memory.begin();
    this.#functions.beginWriting();
    try {
      return this.#codec.encode(value, this.#functions);
    } catch (error) {
      this.#memory.take()?.release();
      this.#functions.takeBack(this.#functions.takeExports());
      throw error;
    }
  }

  /** The same for a message of its own: large bytes in it are its attachments. */
  #encodeMessage(value: unknown): Uint8Array {
    if (!mayHoldBytes(value)) return this.encode(value);
    const attaching = new Attaching();
    const functions = this.#functions;
    const outer = functions.attachments;
    functions.attachments = attaching;
    try {
      return attaching.finish(this.encode(value));
    } finally {
      functions.attachments = outer;
    }
  }

  /** `give`: see {@linkcode Functions.undoReading}. */
  #decode(payload: Uint8Array | undefined, give = true): unknown {
    if (payload === undefined) return undefined;
    const functions = this.#functions;
    functions.beginReading();
    const outer = functions.attachments;
    functions.attachments = attachedTo(payload);
    try {
      return this.#codec.decode(payload, functions);
    } catch (error) {
      functions.undoReading(give);
      this.#unread = error;
      throw error;
    } finally {
      functions.attachments = outer;
    }
  }

  /** The value of an answer; the ends of the streams in it are added to `ends`. */
  #valueOf(answer: Bytes | StreamAnswer | undefined, ends: StreamEnd[]): unknown {
    if (!(answer instanceof StreamAnswer)) return this.#decode(answer);
    ends.push(...answer.ends);
    return answer.value;
  }

  #callFunction(id: number, args: unknown[]): Promise<unknown> {
    const { timeout } = this.#options;
    const wrapped = args.map((each) => this.#streams.wrap(each));
    return this.#request(this.#connection!, functionCall, "", [id, wrapped], { timeout });
  }

  /** One way: like its promise otherwise, it says nothing of a peer that is gone. */
  #sendFunction(id: number, args: unknown[]): boolean {
    const connection = this.#connection!;
    return connection.isOpen && this.#send(connection, functionCall, [id, args], 1);
  }

  // ------------------------------------------------------------------ incoming

  /** See {@linkcode ConnectionHandler}. */
  onRequest(call: IncomingCall, payload: Bytes | undefined): boolean {
    let invoke: () => unknown;
    try {
      invoke = this.#prepare(call.method, payload, true);
    } catch (error) {
      call.fail(this.encodeError(error), error === this.#unread ? RecordFlag.unread : 0);
      return true;
    }
    try {
      const result = runCall(call, invoke);
      if (!isPromiseLike(result)) {
        this.#reply(call, result);
        return true;
      }
      Promise.resolve(result)
        .then((value) => this.#reply(call, value))
        .catch((error: unknown) => call.fail(this.encodeError(error)));
      return false;
    } catch (error) {
      call.fail(this.encodeError(error));
      return true;
    }
  }

  #reply(call: IncomingCall, value: unknown): void {
    if (value === undefined) {
      call.reply(undefined);
    } else if (value === null || typeof value !== "object") {
      this.#replyWith(call, this.encode(value), []);
    } else {
      const ends: StreamEnd[] = [];
      try {
        const run = <T>(task: () => T): T => runCall(call, task);
        const payload = this.#streams.within({ ends, run }, () => {
          return this.#encodeMessage(this.#streams.wrap(value));
        });
        this.#replyWith(call, payload, ends);
      } catch (error) {
        endAll(ends, error);
        throw error;
      }
    }
  }

  /** Answers with the value that was just encoded, or takes back what it brings. */
  #replyWith(call: IncomingCall, payload: Uint8Array, ends: StreamEnd[]): void {
    const onUnread = this.#onUnread();
    const holds = this.#memory.watch();
    const isPlain = ends.length === 0 && onUnread === undefined && holds === undefined;
    if (call.reply(payload, isPlain ? 0 : RecordFlag.references)) {
      if (ends.length > 0) bindCall(ends, call);
      return;
    }
    endAll(ends, undefined);
    onUnread?.();
    holds?.release();
  }

  /**
   * See {@linkcode ConnectionHandler}. A stream may fail at once: what tells of it comes
   * right behind the answer, before the promise of the call goes on.
   */
  readonly onStreamAnswer = (payload: Bytes | undefined): StreamAnswer => {
    const ends: StreamEnd[] = [];
    try {
      return new StreamAnswer(this.#streams.within({ ends }, () => this.#decode(payload)), ends);
    } catch (error) {
      endAll(ends, error);
      throw error;
    }
  };

  /** See {@linkcode ConnectionHandler}. */
  onUnwanted(payload: Bytes | undefined): void {
    const ends: StreamEnd[] = [];
    try {
      this.#streams.within({ ends }, () => this.#decode(payload));
    } catch (error) {
      this.#options.handle.reportPeer(error);
    }
    endAll(ends, undefined);
  }

  /** See {@linkcode ConnectionHandler}. */
  onMessage(method: number, payload: Bytes | undefined): Promise<unknown> | undefined {
    let invoke: () => unknown;
    try {
      invoke = this.#prepare(method, payload, false);
    } catch (error) {
      this.#options.handle.reportPeer(error);
      return undefined;
    }
    const { report: onFailure } = this.#options.handle;
    try {
      return guardedResult(invoke(), onFailure, this.#describe(method));
    } catch (error) {
      onFailure(error, this.#describe(method));
      return undefined;
    }
  }

  /** What a one-way call called, for reports. */
  #describe(method: number): string {
    return method === FUNCTION_CALL
      ? "a function called one way"
      : `the method "${this.#named[method]!.path}" called one way`;
  }

  /** What the peer asks for. What this throws is the peer's fault, what that throws is ours. */
  #prepare(method: number, payload: Bytes | undefined, isRequest: boolean): () => unknown {
    if (method === FUNCTION_CALL) return this.#prepareFunction(payload, isRequest);
    const named = this.#named[method];
    if (named === undefined) throw new UnknownMethodError(`the method ${method} has no name`);
    const args = this.#decode(payload, !isRequest);
    return this.#prepareMethod(named, Array.isArray(args) ? args : []);
  }

  #prepareMethod(named: Named, args: unknown[]): () => unknown {
    const { path, keys = path.split(".") } = named;
    let owner: unknown = this.#options.api;
    const last = keys.length - 1;
    for (let i = 0; i < last; i++) {
      owner = isReachable(owner, keys[i]!) ? owner[keys[i]!] : undefined;
    }
    const method = isReachable(owner, keys[last]!) ? owner[keys[last]!] : undefined;
    if (typeof method !== "function") {
      throw new UnknownMethodError(
        `the server has no method "${path}"` + this.#whyNot(path, method),
      );
    }
    named.keys = keys;
    return () => Reflect.apply(method, owner, args);
  }

  #whyNot(path: string, found: unknown): string {
    if (this.#options.api === undefined) return ": it offers none";
    if (typeof found !== "object" || found === null) return "";
    return `: that is an object (a method "call" of it would be \`remote["${path}.call"]\`)`;
  }

  #prepareFunction(payload: Bytes | undefined, isRequest: boolean): () => unknown {
    const message = this.#decode(payload, !isRequest);
    if (!Array.isArray(message) || !Array.isArray(message[1])) {
      throw new CodecError("the call of a function is no list of its id and its arguments");
    }
    const [id, args] = message as [unknown, unknown[]];
    const found = this.#functions.find(id);
    if (found === undefined) {
      throw new UnknownMethodError(`there is no function ${show(id)} any longer`);
    }
    // In the context of the call that it was passed to.
    const { value, scope } = found;
    return () => this.#options.handle.reactor.call(scope, value as Callable, undefined, ...args);
  }

  /** See {@linkcode ConnectionHandler}. */
  onDefine(method: number, name: Bytes): void {
    this.#namedBytes += name.length;
    if (method !== this.#named.length) {
      throw new CorruptSegmentError(
        `the method ${method} is named, where ${this.#named.length} would be the next`,
      );
    }
    if (name.length > MAX_METHOD_NAME || this.#namedBytes > MAX_METHOD_NAMES) {
      throw new CorruptSegmentError(
        `a method's name of ${name.length} bytes, ${this.#namedBytes} with those before (at most ` +
          `${MAX_METHOD_NAME} for one, ${MAX_METHOD_NAMES} in all)`,
      );
    }
    this.#named.push({ path: decoder.decode(name), keys: undefined });
  }

  /** See {@linkcode ConnectionHandler}. */
  onRelease(id: number, count: number): void {
    this.#functions.release(id, count);
  }

  /** See {@linkcode ConnectionHandler}. */
  decodeError(payload: Bytes | undefined): unknown {
    return decodeFailure(this.#codec, payload);
  }

  /** See {@linkcode ConnectionHandler}. */
  encodeError(error: unknown): Bytes {
    return encodeFailure(this.#codec, error, this.#options.exposeStacks);
  }

  /** See {@linkcode ConnectionHandler}. */
  onGone(reason: GoneReason, cause: unknown): void {
    this.#memory.close();
    this.#options.onGone(reason, cause);
  }

  /** See {@linkcode ConnectionHandler}. */
  onPeerError(error: unknown): void {
    this.#options.handle.reportPeer(error);
  }
}

/** Could there be bytes in it? Most calls have numbers and texts only. */
function mayHoldBytes(value: unknown): boolean {
  return Array.isArray(value) ? value.some(isObject) : isObject(value);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** What a call calls, for stacks. */
function callOf({ name }: Connection, path: string): string {
  return path === "" ? `a function of "${name}"` : `${path} of "${name}"`;
}

/**
 * May a peer reach this key? Own properties, and methods of the object's classes;
 * nothing that every object or function has, so no way to a constructor.
 */
function isReachable(owner: unknown, key: string): owner is Record<string, unknown> {
  if (typeof owner !== "object" || owner === null) return false;
  if (key === "constructor" || key === "__proto__") return false;
  for (
    let level: object | null = owner;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level) as object | null
  ) {
    if (Object.hasOwn(level, key)) return true;
  }
  return false;
}
