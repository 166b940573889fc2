// One end of a pipe that is killed: pipe_end.ts <role> <log> <seed>. See pipe.test.ts.
//
// It closes and opens its end again and again, and says in its log what it did: a line is written
// with one system call, so it is there as a whole or not at all.

import assert from "node:assert/strict";
import fs from "node:fs";
import process from "node:process";
import { f64, Receiver, Sender, struct, TimeoutError, u32 } from "../../mod.ts";
import type { StructValue } from "../../mod.ts";
import { Random } from "../support/random.ts";

/** The most messages in one step. */
export const BATCH = 20;

const fields = { id: u32, half: f64, inverse: u32 };
/** A message says what number it must have in its pipe. */
export const Numbered = struct(fields);
export const options = { codec: Numbered, capacity: 64, durable: true };

export function numbered(id: number): StructValue<typeof fields> {
  return { id, half: id / 2, inverse: ~id >>> 0 };
}

async function send(random: Random, sender: Sender<ReturnType<typeof numbered>>): Promise<void> {
  const { position } = sender;
  const values = Array.from({ length: 1 + random.below(BATCH) }, (_, i) => numbered(position + i));
  switch (random.below(4)) {
    case 0:
      return await sender.send(values[0]!, { timeout: 5 });
    case 1:
      return await sender.sendMany(values, { timeout: 5 });
    case 2:
      sender.trySendMany(values);
      return;
    default:
      sender.sendSync(values[0]!, { timeout: 5 });
  }
}

type Log = (line: string) => void;

async function receive(
  random: Random,
  receiver: Receiver<ReturnType<typeof numbered>, ReturnType<typeof Numbered.view>>,
  log: Log,
): Promise<void> {
  const { position } = receiver;
  const max = 1 + random.below(BATCH);
  const taken = (values: unknown[]) => {
    if (values.length > 0) log(`t ${position} ${values.length}`);
    values.forEach((value, i) => assert.deepEqual(value, numbered(position + i)));
  };
  switch (random.below(4)) {
    case 0:
      return taken([await receiver.receive({ timeout: 5 })]);
    case 1:
      return taken(await receiver.receiveMany({ max, timeout: 5 }));
    case 2:
      return taken(receiver.tryReceiveMany(max));
    default:
      // It comes again if this process is killed before `tryRead` ends.
      receiver.tryRead((view, count) => {
        for (let i = 0; i < count; i++) {
          assert.deepEqual(view.at(i).get(), numbered(receiver.position + i));
        }
        log(`r ${receiver.position} ${count}`);
      }, max);
  }
}

async function main(): Promise<void> {
  const [role, file, seed] = process.argv.slice(2) as [string, string, string];
  const random = new Random(Number(seed));
  const descriptor = fs.openSync(file, "a");
  const log: Log = (line) => void fs.writeSync(descriptor, `${line}\n`);
  for (;;) {
    const end = role === "sender"
      ? await Sender.open("pipe", options)
      : await Receiver.open("pipe", options);
    for (let calls = random.below(40); calls > 0; calls--) {
      try {
        if (end instanceof Sender) await send(random, end as never);
        else await receive(random, end as never, log);
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
      }
      if (calls % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await end.close();
    log("restart");
  }
}

if (process.argv[1]?.endsWith("pipe_end.ts")) await main();
