// Removing the files of the runtime directory under running processes.

import fs from "node:fs";
import { noStop } from "./peers.ts";
import { native, Scratch } from "./scratch.ts";

/** Systems without claims: what is removed there can't be known (Windows keeps what is mapped). */
export const skip = () => {
  if (noStop) return noStop; // Windows, where Bun can't remove the folder of this look under Wine
  using scratch = new Scratch();
  const claims = native.shim.cw_claims_open(new TextEncoder().encode(`${scratch.path}\0`));
  if (claims < 0) return "no claims on this system";
  native.shim.cw_claims_close(claims);
  return false;
};

/** Removes all that is in a directory. */
export function removeAll(directory: string): void {
  for (const entry of fs.readdirSync(directory)) {
    fs.rmSync(`${directory}/${entry}`, { recursive: true, force: true });
  }
}

/** Runs a task with a directory of its own. */
export async function withScratch(task: (directory: string) => Promise<void>): Promise<void> {
  using scratch = new Scratch();
  await task(scratch.path);
}
