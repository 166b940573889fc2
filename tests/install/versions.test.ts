// Two versions of the package side by side, whose native libraries differ in their interface: in one
// process, as when two dependencies want different ones, and in two processes that talk.

import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";
import { bun, deno, node, zig } from "../../tools/toolchain.mjs";
import fs from "node:fs";
import { filesIn, notLinux } from "./installed.ts";
import { OTHER_VERSION, packOther } from "./other_version.ts";
import { printed } from "./program.ts";
import { startRegistries, version } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const skip = notHere || notLinux || !fs.existsSync(zig) && "there is no Zig for this host";
const registries = await startRegistries();
const sandbox = new Sandbox(registries);
after(async () => {
  sandbox[Symbol.dispose]();
  await registries[Symbol.asyncDispose]();
});

const files = {
  "both.mjs": `
import * as one from "causeway-one";
import * as other from "causeway-other";

const api = { add: (a, b) => a + b };
await using _one = await one.serve("one", api);
await using _other = await other.serve("other", api);
for (const { connect } of [one, other]) {
  for (const name of ["one", "other"]) {
    await using client = await connect(name);
    console.log(await client.remote.add(1, 2));
  }
}
`,
  "server.mjs": `
import { serve } from "causeway-one";
await serve("sums", { add: (a, b) => a + b });
`,
  "client.mjs": `
import { connect } from "causeway-other";
await using client = await connect("sums");
console.log(await client.remote.add(1, 2), client.sync.add(3, 4));
`,
};
const specifiers = {
  "causeway-one": `npm:@causeway/ipc@${version}`,
  "causeway-other": `npm:@causeway/ipc@${OTHER_VERSION}`,
};

interface Case {
  name: string;
  config: Record<string, object>;
  install: string;
  run: string[];
}

const cases: Case[] = [
  {
    name: "Node",
    config: { "package.json": { dependencies: specifiers } },
    install: "npm install",
    run: [node, "--no-warnings"],
  },
  {
    name: "Bun",
    config: { "package.json": { dependencies: specifiers } },
    install: "bun install",
    run: [bun],
  },
  {
    name: "Deno, from npm",
    config: { "deno.json": { imports: specifiers } },
    install: "deno install",
    run: [deno, "run", "-A"],
  },
  {
    name: "Deno, one from JSR, in memory",
    config: {
      "deno.json": { imports: { ...specifiers, "causeway-one": `jsr:@causeway/ipc@${version}` } },
    },
    install: "deno install",
    run: [deno, "run", "--allow-ffi"],
  },
];

test("the other version can be made", { skip }, () => {
  registries.npm.publish(packOther(sandbox.folderNamed("other")));
});

for (const { name, config, install, run } of cases) {
  const folder = sandbox.project(name, { ...files, ...config });
  const CAUSEWAY_CACHE = path.join(sandbox.folder, `cache of ${name}`);

  test(`${name}: two versions in one process`, { skip }, async () => {
    printed(await sandbox.shell(folder, install));
    const said = await sandbox.run(folder, [...run, "both.mjs"], { CAUSEWAY_CACHE });
    assert.equal(printed(said), "3\n3\n3\n3\n");
    const kept = filesIn(CAUSEWAY_CACHE).length;
    assert.equal(kept, run.includes("--allow-ffi") ? 0 : 2);
  });

  test(`${name}: two versions in two processes`, { skip }, async () => {
    const lines = ["server.mjs &", "client.mjs", "kill $!"];
    const shell = lines.map((line) => line.includes("mjs") ? `${run.join(" ")} ${line}` : line);
    const said = await sandbox.shell(folder, shell.join("\n"), { CAUSEWAY_CACHE });
    assert.equal(printed(said), "3 7\n");
  });
}
