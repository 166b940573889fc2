// Sensors whose readings go through a pipe: one program in Bun writes them as structs, another in
// Deno aggregates them. Half-way the first one ends, and another one, in Node, goes on.
//
//     node examples/sensor_pipe/main.ts [readings]
//
// after `npm ci`. It ends by itself.

import process from "node:process";
import { run } from "../start.ts";

const folder = import.meta.dirname;
const readings = Number(process.argv[2] ?? 2_000_000);
const half = Math.floor(readings / 2);

const aggregating = run("deno", folder, "aggregate.ts", String(readings));
await run("bun", folder, "sensors.ts", String(half));
await run("node", folder, "sensors.ts", String(readings - half));
await aggregating;
