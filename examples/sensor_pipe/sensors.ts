// Sends readings in batches, each written in place.
//
//     sensors.ts <readings>
//
// It is done when they are in the pipe: whoever aggregates them may come later.

import process from "node:process";
import { Sender } from "../../mod.ts";
import { CAPACITY, NAME, Reading, SENSORS } from "./reading.ts";

const count = Number(process.argv[2] ?? 1_000_000);
const BATCH = 256;

await using sender = await Sender.open(NAME, { codec: Reading, capacity: CAPACITY });
// An earlier run may have sent some: each reading's number is its place in the pipe.
const first = sender.position;
for (let sent = 0; sent < count;) {
  const batch = Math.min(BATCH, count - sent);
  const start = first + sent;
  await sender.write(batch, (reading, i) => {
    const number = start + i;
    reading.time = BigInt(number) * 1000n;
    reading.sensor = number % SENSORS;
    reading.value = 20 + (number % 100) / 10;
    reading.valid = number % 1000 !== 999;
    reading.unit = "°C";
  });
  sent += batch;
}
console.log(`sensors: ${count} readings sent, ${sender.queued} of them still wait`);
