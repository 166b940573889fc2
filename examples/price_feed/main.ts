// A price feed: one program publishes, three others subscribe, in other runtimes and each with
// another answer to the question what happens when it lags. Run it with
//
//     node examples/price_feed/main.ts [prices]
//
// after `npm ci`. It shows how far it is and ends by itself.

import process from "node:process";
import { run } from "../start.ts";

const folder = import.meta.dirname;
const [prices = "200000"] = process.argv.slice(2);

await Promise.all([
  run("bun", folder, "feed.ts", prices, "3"),
  run("deno", folder, "ledger.ts"),
  run("node", folder, "display.ts"),
  run("bun", folder, "alarm.ts"),
]);
