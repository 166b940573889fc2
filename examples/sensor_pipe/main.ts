// Sensors whose readings go through a pipe: one program in Bun writes them as structs, another in
// Deno aggregates them. Half-way the first one ends, and another one, in Node, goes on.
//
//     node examples/sensor_pipe/main.ts [readings]
//
// after `npm ci`. It ends by itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { bun, deno, node } from "../../tools/toolchain.mjs";

const readings = Number(process.argv[2] ?? 2_000_000);
const half = Math.floor(readings / 2);

async function run(command: string[], program: string, count: number): Promise<void> {
  const [executable, ...options] = command as [string, ...string[]];
  const script = path.join(import.meta.dirname, program);
  const child = spawn(executable, [...options, script, String(count)], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
}

const aggregating = run([deno, "run", "-A"], "aggregate.ts", readings);
await run([bun], "sensors.ts", half);
await run([node, "--disable-warning=ExperimentalWarning"], "sensors.ts", readings - half);
await aggregating;
