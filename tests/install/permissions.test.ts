// What Deno and Node must be allowed: what the README promises is enough, and what is missing is
// named in the error.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { node, root } from "../../tools/toolchain.mjs";
import { filesIn, installAll, type Installed, notLinux } from "./installed.ts";
import { printed } from "./program.ts";
import { startRegistries } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const registries = await startRegistries();
const sandbox = new Sandbox(registries);
after(async () => {
  sandbox[Symbol.dispose]();
  await registries[Symbol.asyncDispose]();
});
const projects = await installAll(sandbox, ["Deno from JSR", "Deno from npm", "Node"]);
const inNode = projects.pop()!;

for (const project of projects) {
  const probe = (...flags: string[]) => project.probe({}, { flags });

  test(`${project.way}: --allow-ffi is enough`, { skip: notHere || notLinux }, async () => {
    assert.deepEqual(await probe("--allow-ffi"), { sum: 3 });
  });

  test(`${project.way}: without permissions`, { skip: notHere }, async () => {
    for (const flags of [[], ["--allow-read", "--allow-env", "--allow-write", "--allow-sys"]]) {
      const { error, code, message } = await probe(...flags);
      assert.equal(`${error} ${code}`, "PermissionError PERMISSION");
      assert.match(message!, /deno run --allow-ffi/);
    }
    const { error, message } = await probe("-A", "--deny-ffi");
    assert.equal(error, "PermissionError");
    assert.match(message!, /--allow-ffi/);
  });

  test(`${project.way}: native code of one path only`, { skip: notHere }, async () => {
    const { error, message } = await probe(`--allow-ffi=${sandbox.folder}`);
    assert.equal(error, "PermissionError");
    assert.match(message!, /without a path/);
  });

  test(
    `${project.way}: files may be used for the cache`,
    { skip: notHere || notLinux },
    async () => {
      const CAUSEWAY_CACHE = path.join(sandbox.folder, `cache of ${project.way}`);
      const flags = ["ffi", "env", "read", "write", "sys=uid"].map((name) => `--allow-${name}`);
      assert.deepEqual(await project.probe({ CAUSEWAY_CACHE }, { flags }), { sum: 3 });
      assert.equal(filesIn(CAUSEWAY_CACHE).length, 1);
    },
  );

  test(
    `${project.way}: a worker with --allow-ffi only`,
    { skip: notHere || notLinux },
    async () => {
      assert.equal(await runWorker(project, { ffi: true }), "1 + 2 = 3\n");
    },
  );

  test(`${project.way}: a worker without permissions`, { skip: notHere }, async () => {
    assert.match(await runWorker(project, "none"), /^PermissionError: .*--allow-ffi/);
  });
}

/** Serves in a worker with these permissions and calls it; what came of it. */
async function runWorker(project: Installed, permissions: unknown): Promise<string> {
  fs.writeFileSync(
    path.join(project.folder, "worker.mjs"),
    `import { serve } from "@causeway/ipc";
try {
  await using server = await serve("sums", { add: (a, b) => a + b });
  await new Promise((resolve) => {
    self.onmessage = resolve;
    postMessage("ready");
  });
} catch (error) {
  postMessage(String(error));
}
self.close();
`,
  );
  fs.writeFileSync(
    path.join(project.folder, "main.mjs"),
    `import { connect } from "@causeway/ipc";
const worker = new Worker(new URL("./worker.mjs", import.meta.url), {
  type: "module",
  deno: { permissions: ${JSON.stringify(permissions)} },
});
const said = await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
if (said === "ready") {
  await using client = await connect("sums");
  console.log("1 + 2 =", client.sync.add(1, 2));
  worker.postMessage("stop");
} else {
  console.log(said);
}
`,
  );
  const command = project.command("main.mjs", ["-A", "--unstable-worker-options"]);
  return printed(await sandbox.run(project.folder, command));
}

test("Node's permission model", { skip: notHere }, async () => {
  const probe = (...flags: string[]) => {
    const file = path.join(inNode.folder, "probe.mjs");
    return inNode.probe({}, { command: [node, "--no-warnings", "--permission", ...flags, file] });
  };
  const reads = `--allow-fs-read=${sandbox.folder}`;
  const refused = await probe(reads);
  assert.match(refused.error!, /^(PermissionError|LibraryError)$/);
  assert.match(refused.message!, /--allow-ffi/);
  const probed = await probe(reads, "--allow-ffi");
  assert.equal(probed.sum, 3, JSON.stringify(probed));
});

test(
  "the first start gets the modules, the next ones need no network",
  { skip: notHere },
  async () => {
    const { jsr, npm } = registries;
    for (const project of projects) {
      const before = jsr.requests.length + npm.requests.length;
      assert.deepEqual(await project.probe({}, { flags: ["--allow-ffi"] }), { sum: 3 });
      assert.equal(jsr.requests.length + npm.requests.length, before);
    }
  },
);

test("of the libraries only this system's is loaded from JSR on demand", {
  skip: notHere || notLinux,
}, async () => {
  using fresh = new Sandbox(registries);
  const { jsr } = registries;
  const folder = fresh.project("lazy", {
    "hello.ts": fs.readFileSync(path.join(root, "examples/install/deno-jsr/hello.ts"), "utf8"),
  });
  const native = () => jsr.requests.filter((url) => url.includes("/src/platform/native/"));
  const count = native().length;
  const hello = (...flags: string[]) => fresh.run(folder, ["deno", "run", ...flags, "hello.ts"]);
  assert.equal(
    printed(await hello("--allow-ffi", "--unstable-lazy-dynamic-imports")),
    "Hello, world!\n",
  );
  const asked = native().slice(count);
  assert.equal(asked.length, 1, String(asked));
  assert.match(asked[0]!, /\/linux-(x64|arm64)\.ts$/);
  // Deno's own way is to get all that a program names, so that it can run offline.
  assert.equal(printed(await hello("--allow-ffi")), "Hello, world!\n");
  assert.ok(native().length > count + 1);
});
