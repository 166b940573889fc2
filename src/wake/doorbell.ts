/**
 * The doorbell of a node: how anybody tells it that one of its sources may have
 * work.
 *
 * Ringing sets bits from the bottom of the ready bitmap to its top, then wakes
 * the owner if it sleeps. The owner clears bits from the top to the bottom before
 * it looks at the sources. So a bit that is set is never overlooked, and a word
 * that says "awake" never needs a system call. `tests/model/doorbell.pml` proves
 * it, and shows what breaks when a step is left out.
 *
 * @module
 */
import type { Shim } from "../platform/binding.ts";
import { MAX_SOURCES, NodeLayout } from "../memory/layout.ts";
import type { Segment } from "../memory/segment.ts";

/** Values of the bell word, as in `csrc/causeway.h`. */
export const Bell = { awake: 0, parked: 1, blocked: 2, rung: 3, closed: 4 } as const;

/** Indices into the words of a node's segment. */
export const NodeWords = {
  bell: NodeLayout.bell >> 2,
  block: NodeLayout.block >> 2,
  deaths: NodeLayout.deaths >> 2,
  top: NodeLayout.top >> 2,
  summary: NodeLayout.summary >> 2,
  ready: NodeLayout.ready >> 2,
} as const;

/**
 * Rings a node for one of its sources. Allocates nothing; one system call if the
 * node sleeps, none if it doesn't.
 */
export function ring(shim: Shim, node: Segment, source: number): void {
  // The index comes from shared memory: out of range it would hit other words.
  if (source >>> 0 >= MAX_SOURCES) return;
  const { words } = node;
  const leaf = source >>> 5;
  const summary = source >>> 10;
  // ORDER: from the bottom to the top, then the bell; the owner goes from the top to the bottom.
  Atomics.or(words, NodeWords.ready + leaf, 1 << (source & 31));
  Atomics.or(words, NodeWords.summary + summary, 1 << (leaf & 31));
  Atomics.or(words, NodeWords.top, 1 << summary);
  wake(shim, node);
}

/** Wakes the owner of a node if it sleeps. */
function wake(shim: Shim, { words, address }: Segment): void {
  const bell = Atomics.load(words, NodeWords.bell);
  if (bell === Bell.parked) {
    if (Atomics.compareExchange(words, NodeWords.bell, Bell.parked, Bell.rung) === Bell.parked) {
      shim.cw_wake(address, NodeLayout.bell);
    }
  } else if (bell === Bell.blocked) {
    if (Atomics.compareExchange(words, NodeWords.bell, Bell.blocked, Bell.awake) === Bell.blocked) {
      Atomics.add(words, NodeWords.block, 1);
      shim.cw_wake(address, NodeLayout.block);
    }
  }
}

/** Calls `visit` with every source whose bit is set, and clears the bits. */
export function collect(node: Segment, visit: (source: number) => void): void {
  const { words } = node;
  let top = Atomics.exchange(words, NodeWords.top, 0);
  while (top !== 0) {
    const i = 31 - Math.clz32(top);
    top &= ~(1 << i);
    let summary = Atomics.exchange(words, NodeWords.summary + i, 0);
    while (summary !== 0) {
      const j = 31 - Math.clz32(summary);
      summary &= ~(1 << j);
      const leaf = (i << 5) | j;
      let ready = Atomics.exchange(words, NodeWords.ready + leaf, 0);
      while (ready !== 0) {
        const k = 31 - Math.clz32(ready);
        ready &= ~(1 << k);
        visit((leaf << 5) | k);
      }
    }
  }
}
