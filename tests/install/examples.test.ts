// Each project in examples/install: the commands of its README in a copy of it, on a machine that
// has nothing but the runtimes, print what the README says.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { root } from "../../tools/toolchain.mjs";
import { denortMissing } from "./deno_compile.ts";
import { printed } from "./program.ts";
import { startRegistries } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const folder = "examples/install";
const projects = fs.readdirSync(path.join(root, folder), { withFileTypes: true })
  .filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();

const registries = await startRegistries();
after(() => registries[Symbol.asyncDispose]());

/** Text of the only block of a kind. */
function block(readme: string, kind: string): string {
  const found = [...readme.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\`$`, "gms"))];
  assert.equal(found.length, 1, `blocks of ${kind}`);
  return found[0]![1]!;
}

for (const project of projects) {
  const skip = notHere || project === "deno-compile" && denortMissing;
  test(`examples/install/${project}`, { skip }, async () => {
    using sandbox = new Sandbox(registries);
    const copy = sandbox.copy(path.join(folder, project));
    const readme = fs.readFileSync(path.join(copy, "README.md"), "utf8");
    const said = printed(await sandbox.shell(copy, block(readme, "sh")));
    const expected = block(readme, "text");
    // Installing says something too, and what it says is not ours.
    assert.equal(`\n${said}`.slice(-expected.length - 1), `\n${expected}`, said);
    if (!project.startsWith("deno-")) return;
    const checked = path.join(copy, project === "deno-and-bun" ? "client" : "");
    printed(await sandbox.shell(checked, "deno check --quiet"));
  });
}
