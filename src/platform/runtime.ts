/**
 * Picks the adapter of the runtime that runs us, once per realm.
 *
 * @module
 */
import type { Binding } from "./binding.ts";

declare const Deno: unknown;
declare const Bun: unknown;

let loading: Promise<Binding> | undefined;

/**
 * The binding of this realm. Adapters are imported on demand: each uses what the other runtimes
 * don't have.
 */
export function binding(): Promise<Binding> {
  return loading ??= load();
}

async function load(): Promise<Binding> {
  try {
    return await (await adapter()).load();
  } catch (error) {
    loading = undefined; // what is missing may be there the next time
    throw error;
  }
}

function adapter(): Promise<{ load(): Promise<Binding> }> {
  if (typeof Bun !== "undefined") return import("./bun.ts");
  if (typeof Deno !== "undefined") return import("./deno.ts");
  return import("./node.ts");
}
