// A pipeline of camera frames, 1920 × 1080: a camera in Deno, a stage that inverts them in Bun, a
// viewer in Node. Frames are filled, changed and read in shared memory. Run it with
//
//     node examples/camera_frames/main.ts [frames]
//
// after `npm ci`. It shows how far it is and ends by itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { bun, deno, node } from "../../tools/toolchain.mjs";

const [frames = "300"] = process.argv.slice(2);

async function run(command: string[], program: string, ...args: string[]): Promise<void> {
  const [executable, ...options] = command as [string, ...string[]];
  const script = path.join(import.meta.dirname, program);
  const child = spawn(executable, [...options, script, ...args], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}`);
}

await Promise.all([
  run([node, "--disable-warning=ExperimentalWarning"], "viewer.ts"),
  run([bun], "inverter.ts"),
  run([deno, "run", "-A"], "camera.ts", frames),
]);
