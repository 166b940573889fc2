/**
 * The reactor: one per realm and runtime directory. It polls the sources that are
 * busy, is told of the others by the doorbell, and sleeps when there is nothing.
 *
 * A source is either hot (polled in each turn of the event loop) or armed (its
 * peers ring when there is work). Thousands of armed sources cost a turn nothing.
 * A turn polls, spins for a moment in the hope of an answer, and gives the event loop back. After
 * 300 µs without work (500 while it expects an answer; at once where the last waits were longer) it
 * arms all sources and parks: from then on the watcher thread sleeps for it, and no CPU is used.
 *
 * @module
 */
import type { AsyncScope, Binding, Notifier, Timer } from "../platform/binding.ts";
import { Status } from "../platform/binding.ts";
import { LimitError, SystemError } from "../errors.ts";
import { errorSink } from "../failures.ts";
import type { RuntimeDirectory } from "../memory/directory.ts";
import { MAX_SOURCES, NodeLayout } from "../memory/layout.ts";
import { NODES } from "../memory/nodes.ts";
import { nativePath } from "../memory/directory.ts";
import type { Segment } from "../memory/segment.ts";
import { statusError } from "../memory/status.ts";
import { Bell, collect, NodeWords, ring } from "./doorbell.ts";
import { SpinPolicy } from "./spin_policy.ts";
import { Yielder } from "./yielder.ts";
import { readClock, startInterval, stopInterval } from "../timers.ts";

/** What a poll found. */
export const Polled = {
  /** Nothing. */
  nothing: 0,
  /** Work that is finished: polling again at once may find more. */
  done: 1,
  /** Work that continues in promises: they need the event loop's microtasks. */
  resolved: 2,
} as const;
/** A value of {@linkcode Polled}. */
export type Polled = (typeof Polled)[keyof typeof Polled];

/** Something that may have work: an end of a connection, a server that accepts clients. */
export interface Source {
  /** Does what there is to do, at most a bounded amount. */
  poll(): Polled;
  /**
   * Asks the peers to ring from now on, then looks again: true if there is still
   * nothing to do.
   */
  arm(): boolean;
  /**
   * Ends the source, because its `poll` or `arm` threw: a table in shared memory that makes
   * no sense, for one. Other sources go on.
   */
  fail(error: unknown): void;
}

/**
 * How long a reactor polls without finding work before it parks: about what a wake costs where a
 * processor has to come out of its sleep. With 50 µs a busy conversation had four times the wakes.
 */
const HOT_MS = 0.3;
/** The same while calls wait for an answer. */
const HOT_EXPECTING_MS = 0.5;
/** Looks at shared words in a turn that finds nothing. An event-loop turn costs about as much. */
const SPIN_LOOKS = 200;
/** Looks in a turn after work that may be followed by more at once. */
const SPIN_LOOKS_BUSY = 1000;
/** Looks in a blocking call between two at the clock: some 2 µs. */
const BLOCKING_LOOKS = 100;
/** Rounds of work in one turn, so that timers and I/O get theirs. */
const ROUNDS_PER_TURN = 64;
/** Sources that are polled in each turn; the others are told. */
const MAX_HOT = 16;
/** How long a thread spins in a blocking call before it sleeps. */
const BLOCKING_SPIN_MS = 0.1;
/** How often a thread that sleeps in a blocking call looks by itself, as its watcher does. */
const BELL_LOOK_MS = 5000;
/** The longest time of a runtime's timer, in ms. */
const LONGEST_TIMER = 0x7fff_ffff;

interface Slot {
  readonly index: number;
  source: Source;
  hot: boolean;
}

/** The source of an index that is reserved. */
const IDLE: Source = { poll: () => Polled.nothing, arm: () => true, fail() {} };

/** What is neither a user's failure nor the end of something that is open. */
const reportFailure = errorSink(undefined);

/** See the module. */
export class Reactor {
  /** Asked by calls that settle without waiting, see {@linkcode Yielder}. */
  readonly yielder: Yielder;
  readonly #binding: Binding;
  readonly #node: Segment;
  readonly #words: Int32Array;
  readonly #slots: (Slot | undefined)[] = [];
  readonly #free: number[] = [];
  #hot: Slot[] = [];
  #scheduled = false;
  #parked = false;
  #closed = false;
  /** When the present wait began, and until when it polls; 0: there is none. */
  #idleSince = 0;
  #pollUntil = 0;
  /** What decided so. */
  #policy: SpinPolicy;
  /** Did the watcher start this turn? */
  #woken = false;
  #now = 0;
  readonly #hotSpin = new SpinPolicy(HOT_MS);
  readonly #expectingSpin = new SpinPolicy(HOT_EXPECTING_MS);
  readonly #blockingSpin = new SpinPolicy(BLOCKING_SPIN_MS);
  #references = 0;
  #expecting = 0;
  #keepalive: ReturnType<typeof startInterval> | undefined;
  #deaths = 0;
  readonly #onDeaths: () => void;
  readonly #notifier: Notifier;
  readonly #watcher: unknown;
  readonly #turn = (): void => this.#runTurn();
  readonly #visit = (index: number): void => this.#heatIndex(index);

  /** `onDeaths` is called when some node may have died. */
  constructor(
    binding: Binding,
    directory: RuntimeDirectory,
    node: Segment,
    onDeaths: () => void,
  ) {
    this.#binding = binding;
    this.#node = node;
    this.#words = node.words;
    this.#onDeaths = onDeaths;
    this.#policy = this.#hotSpin;
    this.yielder = new Yielder((task) => binding.nextTurn(task));
    this.#notifier = binding.createNotifier(() => this.#onWake());
    this.#watcher = this.#startWatcher(directory);
    this.#schedule();
  }

  #startWatcher(directory: RuntimeDirectory): unknown {
    const { shim } = this.#binding;
    const out = new BigUint64Array(1);
    const path = directory.path(NODES);
    const status = shim.cw_watcher_start(
      this.#node.native,
      NodeLayout.bell,
      NodeLayout.block,
      NodeLayout.deaths,
      NodeLayout.top,
      nativePath(path),
      this.#notifier.callback,
      this.#binding.address(0n),
      this.#notifier.descriptor,
      out,
    );
    if (status < 0) {
      this.#notifier.close();
      throw statusError(shim, status, "start the watcher of", path);
    }
    return this.#binding.address(out[0]!);
  }

  /** Milliseconds of `performance.now()`, read once in a turn. */
  now(): number {
    if (this.#now === 0) this.#now = readClock();
    return this.#now;
  }

  /** Takes an index in the ready bitmap, for {@linkcode Reactor.attach}. */
  reserve(): number {
    const index = this.#free.pop() ?? this.#slots.length;
    if (index >= MAX_SOURCES) {
      throw new LimitError(
        `this realm has ${MAX_SOURCES} connections and servers open, the most there can be: ` +
          "close some, or use a worker",
      );
    }
    this.#slots[index] = { index, source: IDLE, hot: false };
    return index;
  }

  /** Gives an index its source, or another one; it starts hot. */
  attach(index: number, source: Source): void {
    this.#slots[index]!.source = source;
    this.heat(index);
  }

  /** Removes a source and frees its index. */
  remove(index: number): void {
    const slot = this.#slots[index];
    if (slot === undefined) return;
    if (slot.hot) this.#hot.splice(this.#hot.indexOf(slot), 1);
    this.#slots[index] = undefined;
    this.#free.push(index);
  }

  /** Polls a source from now on in each turn, until it has been dry for a while. */
  heat(index: number): void {
    this.#heatIndex(index);
    this.#schedule();
  }

  #heatIndex(index: number): void {
    const slot = this.#slots[index];
    // Any process that shares the memory can set any bit: an unknown one has no source.
    if (slot === undefined || slot.hot) return;
    slot.hot = true;
    this.#hot.push(slot);
  }

  /** Tells `source` of another node, or of this one, that there may be work. */
  ring(node: Segment, source: number): void {
    ring(this.#binding.shim, node, source);
  }

  /** Keeps the process alive until as many calls of {@linkcode unref}. */
  ref(): void {
    if (this.#references++ === 0 && this.#parked) this.#holdProcess();
  }

  /** Takes one {@linkcode ref} back. */
  unref(): void {
    if (--this.#references === 0 && this.#parked) this.#holdProcess();
  }

  /** A call waits for an answer: poll longer before parking, keep the process alive. */
  expect(): void {
    // Waiting for an answer is another wait than that for anything.
    if (this.#expecting++ === 0) this.#idleSince = 0;
    this.ref();
  }

  /** The answer is there. */
  unexpect(): void {
    this.#expecting--;
    this.unref();
  }

  #holdProcess(): void {
    const wanted = this.#references > 0 && !this.#closed;
    if (wanted && this.#keepalive === undefined) {
      this.#keepalive = startInterval(() => {}, LONGEST_TIMER);
    } else if (!wanted && this.#keepalive !== undefined) {
      stopInterval(this.#keepalive);
      this.#keepalive = undefined;
    }
  }

  /** A timer that doesn't keep the process alive. */
  startTimer(task: () => void, milliseconds: number): Timer {
    return this.#binding.startTimer(() => this.guard(task), milliseconds);
  }

  /** The same for any time, also longer than the runtimes' 2^31 - 1 ms, and `Infinity`. */
  startLongTimer(task: () => void, milliseconds: number): { stop(): void } {
    const end = readClock() + milliseconds;
    let timer: Timer | undefined;
    const arm = (left: number): void => {
      if (left === Infinity) return;
      timer = this.startTimer(() => {
        const rest = end - readClock();
        if (rest > 0) arm(rest);
        else task();
      }, Math.min(left, LONGEST_TIMER));
    };
    arm(milliseconds);
    return { stop: () => timer !== undefined && this.stopTimer(timer) };
  }

  /** Ends a timer. */
  stopTimer(timer: Timer): void {
    this.#binding.stopTimer(timer);
  }

  /** Wakes it, without a reason of its own, for a turn at least. */
  stayAwake(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    if (this.#parked) {
      this.#parked = false;
      this.#idleSince = 0;
      Atomics.store(this.#words, NodeWords.bell, Bell.awake);
    }
    this.#binding.nextTurn(this.#turn);
  }

  #onWake(): void {
    // The watcher has set the bell to awake before it called. In Deno it waits for
    // this callback to end, so the turn has to come later.
    if (this.#closed || this.#scheduled) return;
    this.#parked = false;
    this.#woken = true;
    this.#schedule();
  }

  #runTurn(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    this.#now = 0;
    this.yielder.turned();
    let parked = false;
    try {
      parked = this.#work();
    } finally {
      // Whatever happened: sources that aren't polled any more would be deaf.
      if (!parked && !this.#scheduled && !this.#closed) {
        this.#scheduled = true;
        this.#binding.nextTurn(this.#turn);
      }
    }
  }

  /** One turn's work; true if the reactor sleeps after it. */
  #work(): boolean {
    this.#checkDeaths();
    // A death can close what was open last, and this with it.
    if (this.#closed) return true;
    const worked = this.#spin();
    if (this.#closed) return true;
    if (!worked) return this.#isIdleForLong() && this.#park();
    if (this.#idleSince !== 0) this.#endWait();
    this.#woken = false;
    return false;
  }

  /**
   * Calls a callback in the context in which it was registered; `undefined`: in the present one.
   * Each call enters it anew, so that what one changes (`enterWith`) the next doesn't see. That
   * costs some 20 ns.
   */
  call<Args extends unknown[], R>(
    scope: AsyncScope | undefined,
    task: (...args: Args) => R,
    self: unknown,
    ...args: Args
  ): R {
    if (scope === undefined) return Reflect.apply(task, self, args);
    return scope.runInAsyncScope(task, self, ...args);
  }

  /** Ends a source whose `poll` or `arm` threw. */
  #fail(slot: Slot, error: unknown): void {
    const at = this.#hot.indexOf(slot);
    if (at >= 0) this.#hot.splice(at, 1);
    slot.hot = false;
    this.guard(() => slot.source.fail(error));
  }

  /** Runs a task that must not end anything else; no caller could handle what it throws. */
  guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      reportFailure(error);
    }
  }

  /** Polls until nothing comes any more, promises want their turn, or it is long enough. */
  #spin(): boolean {
    let worked = false;
    let looks = SPIN_LOOKS;
    for (let rounds = 0; rounds < ROUNDS_PER_TURN;) {
      const polled = this.#pollOnce();
      if (polled === Polled.resolved) return true;
      if (polled === Polled.done) {
        worked = true;
        rounds++;
        looks = SPIN_LOOKS_BUSY;
      } else {
        looks -= 1 + this.#hot.length;
        if (looks <= 0) break;
      }
    }
    return worked;
  }

  #pollOnce(): Polled {
    if (this.#words[NodeWords.top] !== 0) collect(this.#node, this.#visit);
    let result: Polled = Polled.nothing;
    const hot = this.#hot;
    for (let i = 0; i < hot.length; i++) {
      const slot = hot[i]!;
      let polled: Polled = Polled.resolved;
      try {
        polled = slot.source.poll();
      } catch (error) {
        this.#fail(slot, error);
      }
      if (polled > result) result = polled;
      if (this.#closed) return result;
      if (hot[i] !== slot) i--;
    }
    if (hot.length > MAX_HOT) this.#cool();
    return result;
  }

  /** Arms the sources that have been hot for longest, so that few are polled. */
  #cool(): void {
    for (let excess = this.#hot.length - MAX_HOT; excess > 0; excess--) {
      const slot = this.#hot.shift()!;
      slot.hot = false;
      if (!this.#arm(slot)) this.#heatIndex(slot.index);
    }
  }

  /** Arms a source; one that throws is ended, and has nothing to do any more. */
  #arm(slot: Slot): boolean {
    try {
      return slot.source.arm();
    } catch (error) {
      this.#fail(slot, error);
      return true;
    }
  }

  #endWait(): void {
    if (this.#woken) this.#policy.woke(readClock() - this.#idleSince);
    else this.#policy.found();
    this.#idleSince = 0;
  }

  #isIdleForLong(): boolean {
    const now = readClock();
    if (this.#idleSince === 0) {
      this.#policy = this.#expecting > 0 ? this.#expectingSpin : this.#hotSpin;
      this.#idleSince = now;
      this.#pollUntil = now + this.#policy.begin();
    }
    return now >= this.#pollUntil;
  }

  /** True if the reactor sleeps now; false if there was work after all. */
  #park(): boolean {
    const hot = this.#hot;
    for (let i = hot.length - 1; i >= 0; i--) {
      const slot = hot[i];
      // Arming one can end others.
      if (slot === undefined || !this.#arm(slot)) continue;
      slot.hot = false;
      if (hot[i] === slot) hot.splice(i, 1);
    }
    if (hot.length > 0) return false;
    this.#holdProcess();
    this.#parked = true;
    // ORDER: parked, then looked again; a peer that rings sets its bits, then looks at the bell.
    Atomics.store(this.#words, NodeWords.bell, Bell.parked);
    if (!this.#hasNews()) return true;
    this.#parked = false;
    Atomics.store(this.#words, NodeWords.bell, Bell.awake);
    return false;
  }

  #hasNews(): boolean {
    return Atomics.load(this.#words, NodeWords.top) !== 0 ||
      Atomics.load(this.#words, NodeWords.deaths) !== this.#deaths;
  }

  #checkDeaths(): void {
    const deaths = Atomics.load(this.#words, NodeWords.deaths);
    if (deaths === this.#deaths) return;
    this.#deaths = deaths;
    this.#onDeaths();
  }

  /**
   * Blocks the thread until `isDone()`, polling one source: first spinning, then
   * asleep on the doorbell. False if `timeout` milliseconds are over.
   */
  block(index: number, isDone: () => boolean, timeout: number): boolean {
    const source = this.#slots[index]!.source;
    this.#now = 0;
    if (this.#look(source, isDone)) return true;
    try {
      return this.#blockSlowly(source, isDone, timeout);
    } finally {
      // The bell may have been rung for others, whose callback was overwritten.
      this.#idleSince = 0;
      this.heat(index);
    }
  }

  #look(source: Source, isDone: () => boolean): boolean {
    for (let look = 0; look < BLOCKING_LOOKS; look++) {
      try {
        source.poll();
      } catch (error) {
        this.guard(() => source.fail(error));
        if (!isDone()) throw error; // its end didn't end the wait
      }
      if (isDone()) return true;
    }
    return false;
  }

  /**
   * Polls all sources until `isDone()`, or until nothing more comes: for a blocking
   * call whose answer can only come from this thread.
   */
  runUntilIdle(isDone: () => boolean): boolean {
    for (let idle = 0; idle < 2; idle++) {
      if (this.#pollOnce() !== Polled.nothing) idle = 0;
      if (isDone()) return true;
    }
    this.#schedule();
    return false;
  }

  #blockSlowly(source: Source, isDone: () => boolean, timeout: number): boolean {
    const start = readClock();
    const policy = this.#blockingSpin;
    let since = start;
    let pollUntil = start + policy.begin();
    for (;;) {
      const now = readClock();
      if (now - start >= timeout) return false;
      if (now < pollUntil) {
        if (!this.#look(source, isDone)) continue;
        policy.found();
        return true;
      }
      this.#sleep(source, timeout - (now - start));
      const woken = readClock();
      policy.woke(woken - since);
      if (this.#look(source, isDone)) return true;
      since = woken;
      pollUntil = woken + policy.begin();
    }
  }

  #sleep(source: Source, timeout: number): void {
    const words = this.#words;
    collect(this.#node, this.#visit);
    this.#checkDeaths();
    if (this.#closed || !source.arm()) return;
    // It wraps; the FFI of Deno and Node refuses a negative number.
    const block = Atomics.load(words, NodeWords.block) >>> 0;
    // ORDER: the same as when it parks; the count is read before, so that a wake changes it.
    Atomics.store(words, NodeWords.bell, Bell.blocked);
    if (!this.#hasNews()) {
      const { shim, longestSleep } = this.#binding;
      // Any process can overwrite the bell, and nobody rings then: it looks now and then.
      const longest = Math.min(timeout, longestSleep, BELL_LOOK_MS);
      const micros = Math.ceil(longest * 1000);
      shim.cw_wait(this.#node.address, NodeLayout.block, block, micros);
    }
    Atomics.store(words, NodeWords.bell, Bell.awake);
    this.#parked = false;
    this.#checkDeaths();
  }

  /** Ends the watcher, then calls `onStopped`. Sources are dropped as they are. */
  close(onStopped: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hot = [];
    this.#holdProcess();
    this.#stopWatcher(onStopped);
  }

  #stopWatcher(onStopped: () => void): void {
    const status = this.#binding.shim.cw_watcher_stop(this.#watcher);
    if (status === Status.busy) {
      // Its callback waits for this event loop: let it end first.
      this.#binding.nextTurn(() => this.#stopWatcher(onStopped));
      return;
    }
    this.#notifier.close();
    onStopped();
    if (status < 0) throw new SystemError(`can't stop the watcher: status ${status}`, 0);
  }
}
