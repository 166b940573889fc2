// A subscriber of the topics `<name>-block` and `<name>-drop`, and of the socket fan-out of that
// name. Each message begins with its number; one of 8 bytes is answered with how many there were.

import net from "node:net";
import process from "node:process";
import { bytes, Publisher, Subscriber } from "../../mod.ts";
import { onFrame, writeFrame } from "../../examples/demo/frames.ts";

const [name, socketPath] = process.argv.slice(2) as [string, string];

const counts = await Publisher.open<number>(`${name}-counts`, { capacity: 4096 });

/** Counts messages, and checks that none is missing. */
class Counter {
  #next = -1;
  #count = 0;

  /** True if it asks for an answer. */
  take(message: Uint8Array, lost = 0): boolean {
    const number = message[0]! | message[1]! << 8 | message[2]! << 16 | message[3]! << 24;
    if (this.#next !== -1 && number !== ((this.#next + lost) | 0)) {
      throw new Error(`message ${number} where ${this.#next} follows, ${lost} lost`);
    }
    this.#next = (number + 1) | 0;
    this.#count++;
    return message.length === 8;
  }

  answer(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }
}

for (const onLag of ["block", "drop-oldest"] as const) {
  const counter = new Counter();
  let lost = 0;
  await Subscriber.open(`${name}-${onLag}`, {
    codec: bytes,
    onLag,
    onLost: (count) => void (lost += count),
    onMessage(message) {
      if (counter.take(message as Uint8Array, lost)) void counts.publish(counter.answer());
      lost = 0;
    },
  });
}

const counter = new Counter();
const socket = net.connect(socketPath);
onFrame(socket, (message) => {
  if (counter.take(message)) {
    writeFrame(socket, new Uint8Array(Int32Array.of(counter.answer()).buffer));
  }
});
process.stdin.on("end", () => process.exit()).resume();
process.stdout.write("ready\n");
