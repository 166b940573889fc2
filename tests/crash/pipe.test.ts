// Either end of a pipe is killed, or closed and opened again, at random moments. What was queued
// arrives, in order, and nothing twice: each message says which number it must have.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Receiver, Sender } from "../../mod.ts";
import { peerCommand, type Runtime, runtimes } from "../support/peers.ts";
import { filesIn, newDirectory, removeDirectory } from "../support/directories.ts";
import { Random } from "../support/random.ts";
import { BATCH, Numbered, numbered, options } from "./pipe_end.ts";

const KILLS = Number(process.env["CAUSEWAY_KILLS"] ?? 200);
const RESTARTS = 1000;
const seed = Number(process.env["CAUSEWAY_SEED"] ?? Date.now() % 1_000_000) >>> 0;

const program = path.join(import.meta.dirname, "pipe_end.ts");
type Role = "sender" | "receiver";

/** A process that has one end. */
class End {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  #errors = "";

  constructor(role: Role, runtime: Runtime, directory: string, log: string, seed: number) {
    const [file, ...args] = peerCommand(runtime, program);
    this.#child = spawn(file, [...args, role, log, String(seed)], {
      env: { ...process.env, CAUSEWAY_DIR: directory, NO_COLOR: "1" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    this.#ended = once(this.#child, "exit");
  }

  /** Kills it; it must not have ended by itself. */
  async kill(): Promise<void> {
    const { exitCode } = this.#child;
    if (exitCode === null) process.kill(this.#child.pid!, "SIGKILL");
    const [code, signal] = await this.#ended;
    assert.deepEqual([code, signal], [null, "SIGKILL"], this.#errors);
  }
}

/** Checks what receivers said, one after the other; returns the number of the next message. */
function checkLog(lines: string[], kills: number): { next: number; lost: number; again: number } {
  let next = 0;
  let lost = 0;
  let again = 0;
  let readFrom = -1;
  for (const line of lines) {
    const [what, first, count] = line.split(" ") as [string, string, string];
    if (what === "restart") continue;
    const from = Number(first);
    if (from > next) {
      // A receiver had taken them, and was killed before it could say so.
      lost++;
      assert.ok(from - next <= BATCH, `${from - next} are missing before ${line}`);
    } else if (from < next) {
      again++;
      assert.equal(from, readFrom, `${line} came before, and had arrived`);
    }
    readFrom = what === "r" ? from : -1;
    next = from + Number(count);
  }
  assert.ok(lost + again <= kills, `${lost} gaps and ${again} repetitions in ${kills} kills`);
  return { next, lost, again };
}

test(`ends are killed and restarted at random moments (seed ${seed})`, async () => {
  const random = new Random(seed);
  const directory = newDirectory();
  const folder = fs.mkdtempSync("/tmp/causeway-pipe-");
  const logs = { sender: path.join(folder, "sender"), receiver: path.join(folder, "receiver") };
  for (const log of Object.values(logs)) fs.writeFileSync(log, "");
  const start = (role: Role) =>
    new End(role, random.pick(runtimes), directory, logs[role], random.u32());
  const ends = { sender: start("sender"), receiver: start("receiver") };
  const linesOf = (role: Role) => fs.readFileSync(logs[role], "utf8").split("\n").slice(0, -1);
  const restarts = () =>
    [...linesOf("sender"), ...linesOf("receiver")].filter((line) => line === "restart").length;
  const kills = { sender: 0, receiver: 0 };
  try {
    for (let kill = 0; kill < KILLS || kill + restarts() < RESTARTS; kill++) {
      // Sometimes while it starts, mostly later.
      await sleep(random.below(random.pick([40, 250, 400])));
      const both = random.below(6) === 0;
      const roles: Role[] = both ? ["sender", "receiver"] : [random.pick(["sender", "receiver"])];
      await Promise.all(roles.map((role) => ends[role].kill()));
      for (const role of roles) {
        kills[role]++;
        ends[role] = start(role);
      }
    }
  } finally {
    await Promise.all([ends.sender.kill(), ends.receiver.kill()]);
  }
  const { next, lost, again } = checkLog(linesOf("receiver"), kills.receiver + 1);
  // What is still queued, also comes; with it all that was ever sent.
  const receiver = await Receiver.open("pipe", { ...options, directory });
  const { position } = receiver;
  const left = receiver.tryReceiveMany();
  left.forEach((value, i) => assert.deepEqual(value, numbered(position + i)));
  assert.ok(position >= next - BATCH && position <= next + BATCH, "the last one was killed, too");
  const sender = await Sender.open("pipe", { ...options, directory });
  assert.equal(sender.position, position + left.length);
  assert.ok(sender.position > 0);
  await Promise.all([sender.close(), receiver.close()]);
  assert.equal(await Sender.remove("pipe", { directory }), true);
  console.log(
    `${kills.sender} senders and ${kills.receiver} receivers killed, ${restarts()} restarted, ` +
      `${sender.position} messages; cut off: ${lost} taken, ${again} in place`,
  );
  assert.deepEqual(filesIn(directory), []);
  removeDirectory(directory);
  fs.rmSync(folder, { recursive: true });
});

for (const runtime of runtimes) {
  test(`what a killed sender had queued is there for the next receiver · ${runtime}`, async () => {
    const directory = newDirectory();
    const send = async (count: number) => {
      const code = `
        import { Sender, struct, u32, f64 } from ${JSON.stringify(path.resolve("mod.ts"))};
        const codec = struct({ id: u32, half: f64, inverse: u32 });
        const sender = await Sender.open("pipe", { codec, directory: process.argv[2] });
        for (let i = 0; i < ${count}; i++) {
          const id = sender.position;
          await sender.send({ id, half: id / 2, inverse: ~id >>> 0 });
        }
        process.kill(process.pid, "SIGKILL");`;
      const file = path.join(path.resolve("build"), `pipe-${process.pid}-${runtime}.ts`);
      fs.writeFileSync(file, `import process from "node:process";\n${code}`);
      const [command, ...args] = peerCommand(runtime, file);
      const child = spawn(command, [...args, directory], { stdio: "inherit" });
      const [, signal] = await once(child, "exit");
      fs.rmSync(file);
      assert.equal(signal, "SIGKILL");
    };
    await send(5);
    await send(3);
    const receiver = await Receiver.open("pipe", { codec: Numbered, directory });
    assert.deepEqual(receiver.tryReceiveMany(), [0, 1, 2, 3, 4, 5, 6, 7].map(numbered));
    await receiver.close();
    assert.deepEqual(filesIn(directory), [], "an empty one goes with its last user");
    await send(0);
    const next = await Sender.open("other", { directory });
    await next.close();
    assert.deepEqual(filesIn(directory), [], "a killed one leaves none");
    removeDirectory(directory);
  });
}
