// The demonstration: npm start
//
// A server in one runtime indexes real text that a client in another streams in; clients in all
// three ask it at the same time and compare its answers with the text. Then every pair of runtimes
// is measured, beside the same calls over a Unix socket.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { Client, connect } from "../../mod.ts";
import type { ClientApi, SearchApi } from "./api.ts";
import { listFiles, readFile } from "./files.ts";
import { Processes, type Runtime } from "./processes.ts";
import { Step, together } from "./progress.ts";
import { type Pair, printTable } from "./table.ts";

/** Each server, and who streams the text in. */
const servers: [Runtime, Runtime][] = [["Deno", "Node"], ["Bun", "Deno"], ["Node", "Bun"]];
const clients: Runtime[] = ["Deno", "Bun", "Node"];
/** Identifiers that each client asks for. */
const QUESTIONS = 40;

type Connected = Map<Runtime, Client<ClientApi>>;

// A directory of our own: whatever happens, nothing stays.
const directory = fs.mkdtempSync(
  path.join(fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir(), "causeway-demo-"),
);
process.env["CAUSEWAY_DIR"] = path.join(directory, "causeway");
const processes = new Processes();
const cleanUp = () => {
  processes.kill();
  fs.rmSync(directory, { recursive: true, force: true });
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    cleanUp();
    process.exit(130);
  });
}

try {
  await Promise.race([show(), processes.crashed]);
} catch (error) {
  console.error(`\nThe demonstration failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  cleanUp();
}
process.exit();

async function show(): Promise<void> {
  const started = performance.now();
  const files = listFiles();
  const bytes = files.reduce((sum, file) => sum + readFile(file).length, 0);
  console.log("Causeway: Deno, Bun and Node call each other through shared memory.");
  console.log(`The text: ${files.length} type-declaration files, ${megabytes(bytes)}.\n`);

  const connected: Connected = new Map();
  for (const runtime of clients) processes.start(runtime, "client.ts", `${runtime} client`);
  for (const runtime of clients) {
    connected.set(runtime, await connect<ClientApi>(`${runtime} client`));
  }
  const pairs: Pair[] = [];
  for (const [server, loader] of servers) pairs.push(...await act(server, loader, connected));

  console.log("\nSmall calls, p50 / p99 in µs; files read back, in MB/s\n");
  printTable(pairs);
  for (const client of connected.values()) await client.close();
  await processes.ended();
  const calls = pairs.reduce((sum, pair) => sum + pair.calls, 0).toLocaleString("en");
  console.log(`\n${calls} calls, every answer checked, in ${seconds(started)}.`);
}

/** One server and all clients. */
async function act(server: Runtime, loader: Runtime, connected: Connected): Promise<Pair[]> {
  const name = `${server} server`;
  const socket = path.join(directory, `${server}.socket`);
  processes.start(server, "server.ts", name, socket);
  await using _held = await connect<SearchApi>(name); // it ends when nobody is connected
  await Promise.all([...connected.values()].map(({ remote }) => remote.use(name, socket)));

  const loading = new Step(`${loader} client streams the text into the ${name}`);
  let start = performance.now();
  const bytes = await connected.get(loader)!.remote.load((share) => loading.update(share));
  loading.done(
    `${name}: indexed ${megabytes(bytes)} from the ${loader} client in ${seconds(start)}`,
  );

  const searching = new Step(`all clients search the ${name}`);
  start = performance.now();
  const progress = together(clients.length, searching);
  const counts = await Promise.all(
    clients.map((client, i) => connected.get(client)!.remote.search(QUESTIONS, progress[i]!)),
  );
  const total = counts.reduce((sum, count) => sum + count);
  searching.done(
    `${name}: ${total} searches of three clients at a time agree with the text (${seconds(start)})`,
  );

  const pairs: Pair[] = [];
  const measuring = new Step(`measuring the ${name}`);
  for (const client of clients) {
    pairs.push({ server, client, ...await connected.get(client)!.remote.measure() });
    measuring.update(pairs.length / clients.length);
  }
  const calls = pairs.reduce((sum, pair) => sum + pair.calls, 0).toLocaleString("en");
  measuring.done(`${name}: answered ${calls} calls one by one`);
  return pairs;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
