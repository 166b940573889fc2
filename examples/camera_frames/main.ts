// A pipeline of camera frames, 1920 × 1080: a camera in Deno, a stage that inverts them in Bun, a
// viewer in Node. Frames are filled, changed and read in shared memory. Run it with
//
//     node examples/camera_frames/main.ts [frames]
//
// after `npm ci`. It shows how far it is and ends by itself.

import process from "node:process";
import { run } from "../start.ts";

const folder = import.meta.dirname;
const [frames = "300"] = process.argv.slice(2);

await Promise.all([
  run("node", folder, "viewer.ts"),
  run("bun", folder, "inverter.ts"),
  run("deno", folder, "camera.ts", frames),
]);
