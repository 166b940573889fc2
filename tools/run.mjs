// The one way in: node tools/run.mjs <command> [arguments], or the same with deno or bun.
//
// Brings the toolchain and the shim up to date, then hands over to the command's own program, run
// by a pinned runtime. Runs on Node 20, Deno and Bun before anything is installed.

import { spawn } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { build } from "./build.mjs";
import { embed } from "./embed.mjs";
import { deno, install, node, root } from "./toolchain.mjs";

/** Per command: whether it needs the shim, maybe for all targets, and the program it runs. */
const commands = {
  setup: { native: false },
  build: { native: true },
  start: { native: true, run: [deno, "run", "-A", "examples/demo/main.ts"] },
  test: { native: true, run: [node, "tools/test.ts"] },
  pack: { native: "all", run: [node, "tools/pack.ts"] },
  release: { native: "all", run: [node, "tools/release.ts"] },
  bench: { native: true, run: [node, "bench/main.ts"] },
  check: { native: false, run: [node, "tools/check.ts"] },
  platforms: { native: false, run: [node, "tools/platforms.ts"] },
  format: { native: false, run: [deno, "fmt"] },
};

const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) {
  console.error(`Usage: node tools/run.mjs ${Object.keys(commands).join("|")} [arguments]`);
  process.exit(2);
}

install();
const env = { ...process.env };
embed(); // programs import what it makes, whether it is built or not
if (command.native) {
  Object.assign(env, build(command.native === "all" || (name === "build" && args.includes("all"))));
}
if (command.run) {
  const [file, ...before] = command.run;
  const child = spawn(file, [...before, ...args], { cwd: root, stdio: "inherit", env });
  // A terminal's ^C reaches the child by itself; a signal sent to this process must be passed on.
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  process.on("SIGINT", () => {});
  child.on("exit", (code, signal) => {
    if (signal) console.error(`${path.basename(file)} ended by ${signal}`);
    process.exit(code ?? 1);
  });
}
