/**
 * Picks the adapter of the runtime that runs us, once per realm.
 *
 * @module
 */
import type { Binding } from "./binding.ts";

declare const Deno: unknown;
declare const Bun: unknown;

let loaded: Binding | undefined;

/**
 * The binding of this realm. Adapters are imported on demand: each names modules
 * that the other runtimes don't have.
 */
export async function binding(): Promise<Binding> {
  if (loaded === undefined) {
    const { load } = await adapter();
    loaded ??= load();
  }
  return loaded;
}

function adapter(): Promise<{ load(): Binding }> {
  if (typeof Bun !== "undefined") return import("./bun.ts");
  if (typeof Deno !== "undefined") return import("./deno.ts");
  return import("./node.ts");
}
