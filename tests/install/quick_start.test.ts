// A new user's first call: the commands of the README's quick start, in an empty folder, with an
// empty home. What to run stands after comments `<!-- install: … -->` there.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { root } from "../../tools/toolchain.mjs";
import { printed } from "./program.ts";
import { packedFile, startRegistries } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const registries = await startRegistries();
after(() => registries[Symbol.asyncDispose]());

const readme = fs.readFileSync(path.join(root, "README.md"), "utf8");

/** The block after a marker. */
function block(marker: string, language: string): string {
  const pattern = `^<!-- install: ${marker} -->\\s+^\`\`\`${language}\\n(.*?)^\`\`\`$`;
  const found = [...readme.matchAll(new RegExp(pattern, "gms"))];
  assert.equal(found.length, 1, `blocks of ${language} after "install: ${marker}"`);
  return found[0]![1]!;
}

function emptyFolder(sandbox: Sandbox): string {
  return sandbox.project("project", { "hello.ts": block("program hello.ts", "ts") });
}

for (const runtime of ["deno", "bun", "node"]) {
  test(`the first call in ${runtime} takes two commands`, { skip: notHere }, async () => {
    using sandbox = new Sandbox(registries);
    const folder = emptyFolder(sandbox);
    const [install, run, ...more] = block(runtime, "sh").trim().split("\n");
    assert.deepEqual(more, []);
    printed(await sandbox.shell(folder, install!));
    assert.equal(printed(await sandbox.shell(folder, run!)), block("output", "text"));
  });
}

for (const installer of ["npm install", "bun add"]) {
  test(`${installer} of the packed file, for all runtimes`, { skip: notHere }, async () => {
    using sandbox = new Sandbox(registries);
    const folder = emptyFolder(sandbox);
    const [install, run] = block("packed", "sh").split("\n");
    const [, file] = /(\S+\.tgz)/.exec(install!)!;
    assert.equal(path.basename(file!), path.basename(packedFile), "the README's version");
    assert.match(install!, /npm install .*or: bun add/);
    printed(await sandbox.shell(folder, `${installer} ${packedFile}`));
    const [, deno, bun, node] = /^(deno .*?) +# or: (bun .*), or: (node .*)$/.exec(run!)!;
    for (const command of [deno!, bun!, node!]) {
      const said = await sandbox.shell(folder, command);
      assert.equal(printed(said), block("output", "text"), command);
    }
  });
}

test("examples/install starts with the same program", () => {
  const programs = fs.globSync("examples/install/{deno-add,bun,node}*/hello.ts", { cwd: root });
  const same = programs.filter((file) => {
    const text = fs.readFileSync(path.join(root, file), "utf8");
    return text === block("program hello.ts", "ts");
  });
  assert.ok(same.length >= 6, String(same));
});
