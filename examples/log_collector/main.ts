// A log collector: programs in three runtimes stream their lines to a server, which merges them
// into one file. Run it with
//
//     node examples/log_collector/main.ts [file] [lines]
//
// after `npm ci`. It shows how far it is and ends by itself.

import process from "node:process";
import { runtimes } from "../../tools/runtimes.ts";
import { run } from "../start.ts";

const folder = import.meta.dirname;
const [file = "collected.log", lines = "20000"] = process.argv.slice(2);

await Promise.all([
  run("bun", folder, "server.ts", file, String(runtimes.length)),
  ...runtimes.map((runtime) => run(runtime, folder, "client.ts", runtime, lines)),
]);
