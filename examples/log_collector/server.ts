// Collects the lines of several programs in one file, in the order in which they arrive.
//
//     server.ts <file> <programs>
//
// It ends when so many programs have sent all of their lines.

import { createWriteStream } from "node:fs";
import { once } from "node:events";
import process from "node:process";
import { serve } from "../../mod.ts";

const [file = "collected.log", programs = "3"] = process.argv.slice(2);
const output = createWriteStream(file);
const done = Promise.withResolvers<void>();
let lines = 0;
let finished = 0;

const api = {
  /** Takes lines until the program has no more; says how many it were. */
  async collect(program: string, stream: AsyncIterable<string>): Promise<number> {
    let count = 0;
    for await (const line of stream) {
      count++;
      lines++;
      if (lines % 10_000 === 0) console.log(`${lines} lines so far`);
      // A slow disk holds the programs back: they produce no more than can be written.
      if (!output.write(`${program} ${line}\n`)) await once(output, "drain");
    }
    if (++finished === Number(programs)) done.resolve();
    return count;
  },
};
export type Api = typeof api;

await using _server = await serve("log-collector", api);
await done.promise;
output.end();
await once(output, "finish");
console.log(`${lines} lines of ${finished} programs are in ${file}`);
