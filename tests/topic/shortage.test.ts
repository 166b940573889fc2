// A subscriber that has no descriptors left: it holds nobody up, comes later, and can be closed.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import readline from "node:readline";
import { test, type TestContext } from "node:test";
import { bytes, Publisher, Subscriber } from "../../mod.ts";
import { assertEmpty } from "../support/api.ts";
import { numbered } from "../support/payloads.ts";
import { runtimeCommand } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { until, within } from "../support/watchdog.ts";

interface Seen {
  received: number;
  lost: number;
  last: number;
  errors: string[];
}

/** The program, with 64 descriptors. */
class Limited implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("exit", (...how) => resolve(how)));
    this.#lines = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(directory: string): Promise<Limited> {
    const command = runtimeCommand(new URL("shortage_program.ts", import.meta.url));
    const limited = ["-c", 'ulimit -n 64; exec "$@"', "sh", ...command];
    const env = { ...process.env, CAUSEWAY_DIR: directory, NO_COLOR: "1" };
    const child = spawn("sh", limited, { env, stdio: ["pipe", "pipe", "inherit"] });
    const started = new Limited(child);
    await started.#answer();
    return started;
  }

  async #answer(): Promise<unknown> {
    const line = await within(this.#lines.next(), "an answer of the program");
    if (line.done) assert.fail(`the program ended: ${await this.#ended}`);
    return JSON.parse(line.value);
  }

  do(order: "exhaust" | "free" | "close" | "seen"): Promise<unknown> {
    this.#child.stdin!.write(`${order}\n`);
    return this.#answer();
  }

  async seen(): Promise<Seen> {
    return await this.do("seen") as Seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

const options = { skip: process.platform === "win32" && "there is no ulimit" };

function shortageTest(title: string, body: (scratch: Scratch) => Promise<void>): void {
  test(title, options, async (_: TestContext) => {
    using scratch = new Scratch();
    await body(scratch);
    // One that comes finds the dead, and removes what they left.
    await (await Publisher.open("other", { directory: scratch.path })).close();
    assertEmpty(scratch);
  });
}

shortageTest(
  "a subscriber without descriptors holds nobody up, and comes when it has some",
  async (scratch) => {
    await using limited = await Limited.start(scratch.path);
    const both = { directory: scratch.path, codec: bytes };
    let received = 0;
    const healthy = await Subscriber.open("name", { ...both, onMessage: () => void received++ });
    await limited.do("exhaust");
    const publisher = await Publisher.open("name", { ...both, capacity: 4096 });
    const publish = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) await within(publisher.publish(numbered(n, 100)), `${n}`);
    };
    await publish(0, 500);
    await until(() => received === 500, "the other has all");
    assert.equal((await limited.seen()).received, 0);
    await limited.do("free");
    // It says so when it comes.
    await until(async () => (await limited.seen()).received > 0, "it receives what is left");
    await publish(500, 600);
    await until(async () => (await limited.seen()).last === 599, "the last message");
    const seen = await limited.seen();
    assert.equal(seen.received + seen.lost, 600);
    assert.ok(seen.lost > 0);
    assert.deepEqual(seen.errors, ["LIMIT"]);
    await healthy.close();
    await publisher.close();
  },
);

shortageTest("a subscriber closes without descriptors, and holds nobody up", async (scratch) => {
  await using limited = await Limited.start(scratch.path);
  const both = { directory: scratch.path, codec: bytes, capacity: 4096 };
  const known = await Publisher.open("name", both);
  await known.ready();
  await known.publish(numbered(0));
  await until(async () => (await limited.seen()).received === 1, "it is connected");
  await limited.do("exhaust");
  // This one it can't even open.
  const other = await Publisher.open("name", both);
  await limited.do("close");
  for (const publisher of [known, other]) {
    for (let n = 0; n < 500; n++) await within(publisher.publish(numbered(n, 100)), `${n}`);
    assert.equal(publisher.subscribers, 0);
    await publisher.close();
  }
  await limited.do("free");
});
