// The examples in doc comments, and those on pages that readme.test.ts doesn't run, have no type
// errors and run. A fragment (`ts ignore`) is checked with the declarations that it needs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Semaphore } from "../../mod.ts";
import { deno, root } from "../../tools/toolchain.mjs";
import { ownDirectory } from "../support/directories.ts";
import {
  type Example,
  examplesOfPage,
  examplesOfSource,
  filesOf,
  pages,
} from "../support/documents.ts";
import { run, runtimeCommand } from "../support/process.ts";
import type { RemoteFunction, Surroundings } from "../support/remote_functions.ts";
import { native } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";
import { Worker } from "../support/workers.ts";

/** What the fragments of a file need. */
const declarations: Record<string, string> = {
  "docs/queue.md": `
    import { Queue } from "@causeway/ipc";
    interface Job { file: string }
    declare const work: (job: Job) => Promise<void>;`,
  "docs/topic.md": `
    import { Subscriber } from "@causeway/ipc";
    interface Price { symbol: string; price: number }`,
  "src/channel/channel.ts": `
    import type { Channel } from "@causeway/ipc";
    declare const channel: Channel, parts: Uint8Array[];`,
  "src/queue/delivery.ts": `
    import type { Queue } from "@causeway/ipc";
    declare const queue: Queue<string>, work: (job: string) => Promise<void>;`,
  "src/queue/queue.ts": `
    import type { Queue } from "@causeway/ipc";
    declare const queue: Queue<string>, work: (job: string) => Promise<void>;`,
  "src/rpc/client.ts": `
    import type { RpcClient } from "@causeway/ipc";
    declare const client: RpcClient;`,
  "src/rpc/connect.ts": `
    import type { Client } from "@causeway/ipc";
    declare const client: Client<{ add(a: number, b: number): number }>;`,
  "src/share/shared_memory.ts": `
    import { SharedMemory } from "@causeway/ipc";
    declare const size: number;`,
  "src/topic/loan.ts": `
    import type { Publisher } from "@causeway/ipc";
    declare const publisher: Publisher<Uint8Array>;
    declare const camera: { readInto(bytes: Uint8Array): void };`,
  "src/topic/subscriber.ts": `
    import type { Subscriber } from "@causeway/ipc";
    declare const subscriber: Subscriber<string>, isFirst: (value: string) => boolean;`,
};

/** The other side of a file's examples, or of one of them, which runs in a worker. */
const partners: Record<string, RemoteFunction<[], Promise<unknown>>> = {
  "mod.ts 2": serveMath,
  "src/channel/channel.ts": async ({ ipc, use }) => {
    use(await ipc.Channel.open("prices", { onRequest: (question) => question }));
  },
  "src/codec/json.ts": async ({ ipc, use }) => {
    const api = { add: (a: number, b: number) => a + b };
    use(await ipc.serve("math", api, { codec: ipc.json }));
  },
  "src/rpc/client.ts": async ({ ipc, use }) => {
    use(await ipc.RpcServer.open("echo", { onRequest: (bytes) => bytes }));
  },
  "src/rpc/connect.ts": serveMath,
  "src/pipe/receiver.ts": async ({ ipc, use }) => {
    const codec = ipc.struct({ sensor: ipc.u32, value: ipc.f64 });
    await use(await ipc.Sender.open("readings", { codec, capacity: 4096 })).send({
      sensor: 7,
      value: 21.5,
    });
  },
  "src/topic/subscriber.ts": async ({ ipc, use }) => {
    const publisher = use(await ipc.Publisher.open<object>("prices"));
    const publish = () => publisher.publish({ symbol: "EURUSD", price: 1.0832 });
    const timer = setInterval(publish, 10);
    use({ [Symbol.asyncDispose]: () => Promise.resolve(clearInterval(timer)) });
  },
};

async function serveMath({ ipc, use }: Surroundings): Promise<void> {
  use(await ipc.serve("math", { add: (a: number, b: number) => a + b }));
}

/** Examples that read without end: they are run until they print something. */
const endless = ["src/pipe/receiver.ts", "src/topic/subscriber.ts"];

const folder = fs.mkdtempSync(path.join(root, "build/examples-"));

function write({ file, line, code, isFragment }: Example): string {
  const whole = isFragment
    ? `${
      declarations[file]
    }\nexport async function fragment(): Promise<unknown> {\n${code}\nreturn;}`
    : `${code}\nexport {};`;
  const name = path.join(folder, `${file.replaceAll("/", "-")}-${line}.ts`);
  fs.writeFileSync(name, whole);
  return name;
}

async function runUntilItPrints(file: string): Promise<void> {
  const [program, ...args] = runtimeCommand(pathToFileURL(file));
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await within(once(child.stdout, "data"), `a line of ${path.basename(file)}`);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

const examples = [
  ...["mod.ts", ...filesOf("src/**/*.ts")].flatMap(examplesOfSource),
  ...pages.flatMap(examplesOfPage),
];

test("there are examples, and the tables here name their files", () => {
  assert.ok(examples.length > 30, `${examples.length} examples`);
  const files = new Set(examples.map(({ file }) => file));
  const named = [...Object.keys(declarations), ...Object.keys(partners), ...endless];
  assert.deepEqual(named.filter((name) => !files.has(name.split(" ")[0]!)), []);
});

for (const example of examples) {
  const { file, line, isFragment } = example;
  const program = write(example);
  if (isFragment) continue;
  const number = examples.filter((each) => each.file === file).indexOf(example) + 1;
  const partner = partners[file] ?? partners[`${file} ${number}`];
  test(`${file}:${line} runs`, async () => {
    {
      await using worker = partner && await Worker.start();
      await worker?.run(partner!);
      if (endless.includes(file)) await runUntilItPrints(program);
      else await within(import(pathToFileURL(program).href), `the example in ${file}`);
    }
    if (file === "src/sync/semaphore.ts") await Semaphore.remove("seats"); // the system keeps it
    // What is sent and not received outlives both ends.
    fs.rmSync(path.join(ownDirectory(), "pipe"), { recursive: true, force: true });
  });
}

test("fragments come with what they need", () => {
  const without = examples.filter(({ file, isFragment }) => isFragment && !declarations[file]);
  assert.deepEqual(without.map(({ file, line }) => `${file}:${line}`), []);
});

const onlyOnce = { skip: native.runtime !== "node" && "once is enough" };
test("the examples have no type errors", onlyOnce, async () => {
  const files = fs.globSync("*.ts", { cwd: folder }).map((file) => path.join(folder, file));
  const { code, stderr } = await run([deno, "check", "--quiet", ...files]);
  assert.equal(code, 0, stderr);
});

// The last one. Not `after`: Deno doesn't run it outside of a suite.
test("the folder of the examples goes", () => {
  fs.rmSync(folder, { recursive: true });
});
