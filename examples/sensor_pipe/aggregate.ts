// Receives readings, in place, and prints what each sensor measured.
//
//     aggregate.ts <readings>

import process from "node:process";
import { Receiver } from "../../mod.ts";
import { CAPACITY, NAME, Reading, SENSORS } from "./reading.ts";

const count = Number(process.argv[2] ?? 1_000_000);
const sums = new Float64Array(SENSORS);
const counts = new Uint32Array(SENSORS);
let invalid = 0;

await using receiver = await Receiver.open(NAME, { codec: Reading, capacity: CAPACITY });
for (let received = 0; received < count;) {
  received += await receiver.read((readings, there) => {
    for (let i = 0; i < there; i++) {
      const { sensor, value, valid } = readings.at(i);
      if (!valid) invalid++;
      else {
        sums[sensor]! += value;
        counts[sensor]!++;
      }
    }
  }, { timeout: 30_000, max: Math.min(1024, count - received) });
}
for (let sensor = 0; sensor < SENSORS; sensor++) {
  const mean = sums[sensor]! / counts[sensor]!;
  console.log(`sensor ${sensor}: ${counts[sensor]} readings, mean ${mean.toFixed(2)} °C`);
}
console.log(`${count} readings, ${invalid} invalid`);
