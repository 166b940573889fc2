// The programs in the documentation run as they are shown, and print what it says they print.
//
// A program is a fenced block after a line `<!-- run <name>: server -->`, `client` or `output`. The
// server runs in this test's runtime, the client in another (the README's in each of the three), in
// a folder of the checkout, where `@causeway/ipc` is the checkout itself.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { bun, deno, node, root } from "../../tools/toolchain.mjs";
import { run } from "../support/process.ts";
import { native, Scratch } from "../support/scratch.ts";

type Runtime = "deno" | "bun" | "node";
const runtimes: Runtime[] = ["deno", "bun", "node"];
const own = native.runtime as Runtime;
const next = runtimes[(runtimes.indexOf(own) + 1) % 3]!;

/** As the README says to run them. */
const commands: Record<Runtime, [string, ...string[]]> = {
  deno: [deno, "run", "--allow-ffi"],
  bun: [bun],
  node: [node],
};

const ROLES = ["server", "client", "output"] as const;
type Pair = Record<(typeof ROLES)[number], string>;

const MARKED = /^<!-- run (\S+): (\S+) -->\s+^```(\S+)\n(.*?)^```$/gms;

function pairsIn(document: string): Map<string, Pair> {
  const text = fs.readFileSync(path.join(root, document), "utf8");
  const found = new Map<string, Partial<Pair>>();
  for (const [, name, role, language, code] of text.matchAll(MARKED)) {
    const where = `${document}: ${name} ${role}`;
    assert.ok(ROLES.includes(role as keyof Pair), `${where}: no such role`);
    assert.equal(language, role === "output" ? "text" : "ts", where);
    const pair = found.get(name!) ?? {};
    assert.ok(!(role! in pair), `${where}: there are two`);
    found.set(name!, { ...pair, [role!]: code });
  }
  // A marker with a mistake in it would leave its program out.
  const marks = text.match(/<!-- run /g)?.length ?? 0;
  assert.equal(marks, 3 * found.size, `${document}: markers that aren't three of a name each`);
  return found as Map<string, Pair>;
}

const folder = fs.mkdtempSync(path.join(root, "build/docs-"));

function write(name: string, code: string): string {
  const file = path.join(folder, `${name}.ts`);
  fs.writeFileSync(file, code);
  return file;
}

async function runPair(server: string, client: string, runtime: Runtime): Promise<string> {
  using scratch = new Scratch();
  const env = { ...process.env, CAUSEWAY_DIR: scratch.path, NO_COLOR: "1" };
  const [file, ...args] = commands[own];
  const serving: ChildProcess = spawn(file, [...args, server], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaints = "";
  serving.stderr!.setEncoding("utf8").on("data", (text: string) => complaints += text);
  const ended = once(serving, "exit");
  try {
    const asking = run([...commands[runtime], client], env);
    // The client would wait for it until its time is over, and tell nothing of why.
    const early = ended.then(() => assert.fail(`the server ended: ${complaints}`));
    const { code, stdout, stderr } = await Promise.race([asking, early]);
    assert.equal(code, 0, `client: ${stderr}\nserver: ${complaints}`);
    return stdout;
  } finally {
    serving.kill("SIGKILL");
    await ended;
  }
}

/** Every page that has programs. README and guide must have some. */
const documents = [
  "README.md",
  ...fs.globSync("docs/*.md", { cwd: root }).map((file) => file.replaceAll("\\", "/")).sort(),
];

for (const document of documents) {
  const pairs = pairsIn(document);
  const clients = document === "README.md" ? runtimes : [next];
  const isMust = document === "README.md" || document === "docs/guide.md";
  assert.ok(!isMust || pairs.size > 0, `${document} has no programs`);
  for (const [name, { server, client, output }] of pairs) {
    const page = path.basename(document, ".md");
    const serverFile = write(`${page}-${name}-server`, server);
    const clientFile = write(`${page}-${name}-client`, client);
    for (const runtime of clients) {
      test(`${document}: ${name}, client in ${runtime}`, async () => {
        assert.equal(await runPair(serverFile, clientFile, runtime), output);
      });
    }
  }
}

test(
  "the programs have no type errors",
  { skip: own !== "node" && "once is enough" },
  async () => {
    const files = fs.globSync("*.ts", { cwd: folder }).map((file) => path.join(folder, file));
    const { code, stderr } = await run([deno, "check", "--quiet", ...files]);
    assert.equal(code, 0, stderr);
  },
);

// The last one. Not `after`: Deno doesn't run it outside of a suite.
test("the folder of the programs goes", () => {
  fs.rmSync(folder, { recursive: true });
});
