// A log collector: programs in three runtimes stream their lines to a server, which merges them
// into one file. Run it with
//
//     node examples/log_collector/main.ts [file] [lines]
//
// after `npm ci`. It shows how far it is and ends by itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { bun, deno, node } from "../../tools/toolchain.mjs";

const [file = "collected.log", lines = "20000"] = process.argv.slice(2);
const programs: [name: string, ...command: string[]][] = [
  ["deno", deno, "run", "-A"],
  ["bun", bun],
  ["node", node, "--disable-warning=ExperimentalWarning"],
];

async function run(command: string[], program: string, ...args: string[]): Promise<void> {
  const [executable, ...options] = command as [string, ...string[]];
  const script = path.join(import.meta.dirname, program);
  const child = spawn(executable, [...options, script, ...args], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}`);
}

const server = run([bun], "server.ts", file, String(programs.length));
await Promise.all([
  server,
  ...programs.map(([name, ...command]) => run(command, "client.ts", name, lines)),
]);
