// How much later than a program that does nothing does one print that imports the library, connects
// to a running server and gets a reply? Asked of the npm package, as a user has it installed, and of
// the sources, as a checkout has them.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { node, root } from "../tools/toolchain.mjs";
import { Child } from "./harness/processes.ts";
import { milliseconds } from "./harness/question.ts";
import type { Measured, Row, Runtime, RuntimeQuestion } from "./harness/question.ts";

const ASKS = "load and first reply, beyond the runtime's own start";
const row: Row = { asks: ASKS, subject: "package", metrics: ["time"], unit: milliseconds };

export const question: RuntimeQuestion = {
  rows: [
    { ...row, asks: `${ASKS}: the package`, target: { atMost: 20 } },
    { ...row, asks: `${ASKS}: the sources`, subject: "sources" },
  ],

  async run(runtime, { directory, quick }) {
    using project = new Project();
    await using server = new Child(runtime, "programs/echo_server.ts", [], directory);
    await server.firstLine();
    const start = (program: string) => untilFirstLine(runtime, program, directory);
    const subjects = {
      package: [project.program("bare"), project.program("first_reply")],
      sources: ["programs/bare.ts", "programs/first_reply.ts"],
    } as const;

    // Fills the runtimes' caches of compiled files, and ours of the native library.
    for (const program of Object.values(subjects).flat()) await start(program);
    const rounds: Record<keyof typeof subjects | "bare", Measured[]> = {
      bare: [],
      package: [],
      sources: [],
    };
    for (let round = 0; round < (quick ? 3 : 21); round++) {
      for (const [name, [bare, program]] of Object.entries(subjects)) {
        const nothing = await start(bare);
        if (name === "package") rounds.bare.push({ time: nothing });
        rounds[name as keyof typeof subjects].push({ time: await start(program) - nothing });
      }
    }
    return rounds;
  },
};

let packed = false;

/** Makes the package, once in a run. */
function pack(): void {
  if (!packed) execFileSync(node, ["tools/run.mjs", "pack"], { cwd: root, stdio: "pipe" });
  packed = true;
}

/** A user's project with the package installed. */
class Project implements Disposable {
  readonly #folder = fs.mkdtempSync(path.join(os.tmpdir(), "causeway-load-"));

  constructor() {
    pack();
    const installed = path.join(this.#folder, "node_modules/@causeway/ipc");
    fs.cpSync(path.join(root, "build/package"), installed, { recursive: true });
    fs.writeFileSync(
      path.join(this.#folder, "package.json"),
      '{ "type": "module", "dependencies": { "@causeway/ipc": "*" } }',
    );
  }

  /** The path of one of our programs, which use no types, as one of the project's own. */
  program(name: string): string {
    const text = fs.readFileSync(path.join(root, `bench/programs/${name}.ts`), "utf8");
    const file = path.join(this.#folder, `${name}.js`);
    fs.writeFileSync(file, text.replace("../../mod.ts", "@causeway/ipc"));
    return file;
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function untilFirstLine(
  runtime: Runtime,
  program: string,
  directory: string,
): Promise<number> {
  const start = performance.now();
  await using child = new Child(runtime, program, [], directory);
  await child.firstLine();
  return (performance.now() - start) * 1e6;
}
