/**
 * Picks the adapter of the runtime that runs us, once per realm.
 *
 * All three are there, since another file takes longer to load than they do. So outside of its
 * functions, no adapter touches what only its runtime has.
 *
 * @module
 */
import type { Binding } from "./binding.ts";
import { load as loadBun } from "./bun.ts";
import { load as loadDeno } from "./deno.ts";
import { load as loadNode } from "./node.ts";

declare const Deno: unknown;
declare const Bun: unknown;

let loading: Promise<Binding> | undefined;

/** The binding of this realm. */
export function binding(): Promise<Binding> {
  return loading ??= load();
}

async function load(): Promise<Binding> {
  try {
    if (typeof Bun !== "undefined") return await loadBun();
    if (typeof Deno !== "undefined") return await loadDeno();
    return await loadNode();
  } catch (error) {
    loading = undefined; // what is missing may be there the next time
    throw error;
  }
}
