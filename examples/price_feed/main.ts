// A price feed: one program publishes, three others subscribe, in other runtimes and each with
// another answer to the question what happens when it lags. Run it with
//
//     node examples/price_feed/main.ts [prices]
//
// after `npm ci`. It shows how far it is and ends by itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { bun, deno, node } from "../../tools/toolchain.mjs";

const [prices = "200000"] = process.argv.slice(2);

async function run(command: string[], program: string, ...args: string[]): Promise<void> {
  const [executable, ...options] = command as [string, ...string[]];
  const script = path.join(import.meta.dirname, program);
  const child = spawn(executable, [...options, script, ...args], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}`);
}

await Promise.all([
  run([bun], "feed.ts", prices, "3"),
  run([deno, "run", "-A"], "ledger.ts"),
  run([node, "--disable-warning=ExperimentalWarning"], "display.ts"),
  run([bun], "alarm.ts"),
]);
