// Stands for a camera: fills frames where they are published from.
//
//     camera.ts <frames>

import process from "node:process";
import { bytes, Publisher } from "../../mod.ts";
import { BYTES, CAPACITY, setNumber, WIDTH } from "./frame.ts";

const [frames = "300"] = process.argv.slice(2);

await using camera = await Publisher.open("camera", { codec: bytes, capacity: CAPACITY });
await camera.ready();
for (let number = 0; number < Number(frames); number++) {
  using frame = await camera.loan(BYTES);
  // A bright bar that moves over a dark picture.
  frame.bytes.fill(16);
  const top = (number * 7 % 1000) * WIDTH;
  frame.bytes.fill(200, top, top + 40 * WIDTH);
  setNumber(frame.bytes, number);
  frame.publish();
}
console.log(`camera: ${frames} frames published`);
