/**
 * Claims: how a realm says that it uses something, also when its files were removed.
 *
 * Whatever lies in the runtime directory can be removed under running programs. A segment lives
 * on for those that have it mapped, but whoever opens its name afterwards makes a new one, and
 * can't see that the old one is in use. A claim is a lock on the directory itself, so it is still
 * there, and the system drops it when its holder dies (`csrc/posix/claims.c`). It is the proof
 * that a node without a file isn't dead, and that a lock without a file may be held.
 *
 * A name has generations, since the new segment's users claim it as well.
 *
 * Guarantees nothing where the system has no such locks (Windows, FreeBSD), and nothing across
 * the removal of the runtime directory itself: that is another directory then.
 *
 * @module
 */
import type { Binding } from "../platform/binding.ts";
import { Status } from "../platform/binding.ts";
import { LimitError } from "../errors.ts";
import { nativePath } from "./directory.ts";
import { statusError } from "./status.ts";

/** How many generations a name has, see `csrc/causeway.h`. */
export const GENERATIONS = 64;

/** The claims of one realm on one directory. */
export class Claims {
  readonly #binding: Binding;
  readonly #root: string;
  /** Of the directory, and of one that was made in its place; none: this system has no claims. */
  readonly #handles: number[] = [];
  /** How often each name in a generation is claimed here. */
  readonly #counts = new Map<string, Map<number, number>>();

  /** The directory exists. */
  constructor(binding: Binding, root: string) {
    this.#binding = binding;
    this.#root = root;
    this.#open();
  }

  #open(): number | undefined {
    const { shim } = this.#binding;
    const handle = shim.cw_claims_open(nativePath(this.#root));
    if (handle === Status.unsupported) return undefined;
    if (handle < 0) throw statusError(shim, handle, "open the directory", this.#root);
    this.#handles.push(handle);
    return handle;
  }

  /** Names that are claimed here. */
  get size(): number {
    return this.#counts.size;
  }

  /** Says that this realm uses `name`. */
  take(name: string, generation: number): void {
    if (this.#count(name, generation, 1) > 1) return;
    for (const handle of this.#handles) this.#take(handle, name, generation);
  }

  #take(handle: number, name: string, generation: number): void {
    // Where the file system has no such locks nothing can be known by them, and nothing fails.
    this.#binding.shim.cw_claim_take(handle, nativePath(name), generation);
  }

  /** Takes one {@linkcode Claims.take} back. */
  drop(name: string, generation: number): void {
    if (this.#count(name, generation, -1) > 0) return;
    const { shim } = this.#binding;
    for (const handle of this.#handles) shim.cw_claim_drop(handle, nativePath(name), generation);
  }

  /** Is there a use of `name` in a generation other than `generation`, here or in another realm? */
  isUsedBesides(name: string, generation: number): boolean {
    const own = this.#counts.get(name);
    if (own !== undefined && [...own.keys()].some((used) => used !== generation)) return true;
    return this.#isFound(name, 0, generation) ||
      this.#isFound(name, generation + 1, GENERATIONS - generation - 1);
  }

  /** Does another realm use `name`, in any generation? */
  isUsedElsewhere(name: string): boolean {
    return this.#isFound(name, 0, GENERATIONS);
  }

  /** A generation in which `name` isn't used yet. */
  freeGeneration(name: string): number {
    const own = this.#counts.get(name);
    for (let generation = 0; generation < GENERATIONS; generation++) {
      if (own?.has(generation) !== true && !this.#isFound(name, generation, 1)) return generation;
    }
    throw new LimitError(
      `${name} in ${this.#root} was removed ${GENERATIONS} times while it was in use: ` +
        "close it where it is open",
    );
  }

  /**
   * The directory may have been removed and made anew, or not: claims what is claimed in what is
   * there now, too.
   */
  renew(self: string): void {
    const { shim } = this.#binding;
    const handle = this.#open();
    if (handle === undefined) return;
    // It is the same directory if our own claim is to be seen in it.
    if (shim.cw_claim_find(handle, nativePath(self), 0, GENERATIONS) >= 0) {
      shim.cw_claims_close(this.#handles.pop()!);
      return;
    }
    for (const [name, generations] of this.#counts) {
      for (const generation of generations.keys()) this.#take(handle, name, generation);
    }
  }

  #isFound(name: string, from: number, count: number): boolean {
    const { shim } = this.#binding;
    return this.#handles.some((handle) =>
      shim.cw_claim_find(handle, nativePath(name), from, count) >= 0
    );
  }

  #count(name: string, generation: number, change: number): number {
    const generations = this.#counts.get(name) ?? new Map<number, number>();
    const count = (generations.get(generation) ?? 0) + change;
    if (count > 0) generations.set(generation, count);
    else generations.delete(generation);
    if (generations.size > 0) this.#counts.set(name, generations);
    else this.#counts.delete(name);
    return count;
  }

  /** Drops all claims. */
  close(): void {
    for (const handle of this.#handles.splice(0)) this.#binding.shim.cw_claims_close(handle);
  }
}
