// The types of the npm package in a user's project: they infer, and they need nothing but what they
// say, however strictly and with whichever library of types they are checked.

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { run } from "../../tools/process.ts";
import { node, root } from "../../tools/toolchain.mjs";
import { compiler } from "./compilers.ts";
import { Packed } from "./packed.ts";

/** The oldest TypeScript that README.md and docs/install.md promise, in its first version. */
const OLDEST = "5.7.2";
/** The newest one; the toolchain's is between the two. */
const NEWEST = "7.0.2";
const pinned = path.join(root, "node_modules/typescript/bin/tsc");

const PROGRAM = `
import {
  CausewayError, connect, currentCall, f64, fixedString, Publisher, Queue, RpcServer, Sender, serve,
  SharedArray, struct, Subscriber, TimeoutError, u32,
} from "@causeway/ipc";
import type { Channel, Delivery, Remote } from "@causeway/ipc";

const api = {
  add: (a: number, b: number) => a + b,
  text: { upper: (s: string) => s.toUpperCase() },
  async *count(to: number) {
    for (let i = 0; i < to; i++) yield i;
  },
  watch: (onChange: (name: string) => void) => onChange("x"),
};
await using server = await serve("math", api, { maxConnections: 4 });
await using client = await connect<typeof api>("math", { connectTimeout: 1000 });

const sum: number = await client.remote.add(1, 2);
const upper: string = client.sync.text.upper("a");
client.oneway.watch((name: string) => void name.length);
for await (const number of await client.remote.count(3)) number satisfies number;
const remote: Remote<typeof api> = client.remote;
// deno-lint-ignore no-explicit-any
await using untyped = await connect<any>("math");
const anything: number = (await untyped.remote.whatever.is.there(1)) + untyped.sync.whatever();
// @ts-expect-error a number is wanted
await client.remote.add("1", 2);
// @ts-expect-error there is no such method
await client.remote.subtract(1, 2);
// @ts-expect-error there is no such option
await connect("math", { conectTimeout: 1 });

await using queue = await Queue.open<{ file: string }>("jobs", { durable: true });
for await (using job of queue.deliveries()) {
  const delivery: Delivery<{ file: string }> = job;
  job.value.file satisfies string;
  delivery.ack();
}

const point = struct({ id: u32, x: f64, name: fixedString(16) });
await using sender = await Sender.open("points", { codec: point });
await sender.send({ id: 1, x: 2, name: "a" });
// @ts-expect-error the struct has no y
await sender.send({ id: 1, y: 2, name: "a" });

await using publisher = await Publisher.open<{ price: number }>("prices");
await using subscriber = await Subscriber.open<{ price: number }>("prices");
for await (const { price } of subscriber) price satisfies number;

const error: CausewayError = new TimeoutError("the call", 100);
error.code satisfies string;

export { anything, publisher, remote, server, sum, upper };
export { currentCall, RpcServer, SharedArray };
export type { Channel };
`;

/** What a project may know of its surroundings: web standards, or a runtime's own types. */
const surroundings: Record<string, { lib: string[]; types: string[] }> = {
  "the DOM": { lib: ["ES2024", "DOM"], types: [] },
  "web workers": { lib: ["ES2024", "WebWorker"], types: [] },
  "all that is new, and the DOM": { lib: ["ESNext", "DOM"], types: [] },
  "Node's types": { lib: ["ES2024"], types: ["node"] },
  "Bun's types": { lib: ["ESNext"], types: ["bun-types"] },
};

let project: string;

before(async () => {
  using packed = await Packed.make();
  project = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-types-"));
  const scope = path.join(project, "node_modules/@causeway");
  fs.mkdirSync(scope, { recursive: true });
  fs.cpSync(packed.folder, path.join(scope, "ipc"), { recursive: true });
  fs.writeFileSync(path.join(project, "package.json"), '{ "type": "module" }');
  fs.writeFileSync(path.join(project, "program.ts"), PROGRAM);
});
after(() => fs.rmSync(project, { recursive: true, force: true }));

for (const [name, { lib, types }] of Object.entries(surroundings)) {
  test(`the types hold with ${name}`, async () => {
    await check({ module: "nodenext", moduleResolution: "nodenext", lib, types });
  });
}

test("the types hold for a bundler", async () => {
  await check({
    ...{ module: "preserve", moduleResolution: "bundler" },
    ...surroundings["the DOM"],
  });
});

test("the types hold without strictness, and in older JavaScript", async () => {
  await check({
    ...{
      module: "nodenext",
      moduleResolution: "nodenext",
      strict: false,
      exactOptionalPropertyTypes: false,
    },
    ...{ target: "ES2022", lib: ["ES2024", "DOM"], types: [] },
  });
});

for (const version of [OLDEST, NEWEST]) {
  test(`the types hold in TypeScript ${version}`, async () => {
    const modules = { module: "nodenext", moduleResolution: "nodenext" };
    await check({ ...modules, ...surroundings["the DOM"] }, compiler(version));
  });
}

test("the documentation names the oldest TypeScript", () => {
  const [oldest] = /^\d+\.\d+/.exec(OLDEST)!;
  for (const file of ["README.md", "docs/install.md"]) {
    const [, named] = /TypeScript (\d+\.\d+) or newer/.exec(read(file)) ?? [];
    assert.equal(named, oldest, file);
  }
});

function read(file: string): string {
  return fs.readFileSync(path.join(root, file), "utf8");
}

/** Checks the program and the package's own declarations. */
async function check(options: Record<string, unknown>, tsc = pinned): Promise<void> {
  const config = {
    compilerOptions: {
      target: "ES2024",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      typeRoots: [path.join(root, "node_modules/@types"), path.join(root, "node_modules")],
      ...options,
    },
    files: ["program.ts"],
  };
  const file = path.join(project, "tsconfig.json");
  fs.writeFileSync(file, JSON.stringify(config));
  const { code, output } = await run([node, tsc, "-p", file]);
  // What Node's or Bun's own declarations say of each other isn't ours to hold.
  const ours = output.split("\n").filter((line) => /error TS/.test(line))
    .filter((line) => !/node_modules\/(@types\/|bun-types\/|undici-types\/)/.test(line));
  assert.deepEqual(ours, []);
  // The compiler ran: it says nothing, or what was left out.
  assert.ok(code === 0 || /error TS/.test(output), output);
}
