// A program that logs: streams its lines to the collector.
//
//     client.ts <name> <lines>

import process from "node:process";
import { connect } from "../../mod.ts";
import type { Api } from "./server.ts";

const [name = "program", count = "10000"] = process.argv.slice(2);

/** Stands for what a real program would have to say. */
async function* lines(): AsyncGenerator<string> {
  for (let i = 1; i <= Number(count); i++) yield `line ${i} of ${count}`;
}

await using client = await connect<Api>("log-collector");
const sent = await client.with({ timeout: Infinity }).remote.collect(name, lines());
console.log(`${name}: ${sent} lines sent`);
