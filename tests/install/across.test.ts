// Projects that got the package in different ways call each other: the sources that JSR ships and
// the bundle that npm ships, in each runtime.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { installAll, notLinux } from "./installed.ts";
import { printed } from "./program.ts";
import { startRegistries } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const SERVER = `
import { serve } from "@causeway/ipc";
const { promise: stopped, resolve: stop } = Promise.withResolvers();
await using server = await serve("across", { add: (a, b) => a + b, stop });
await stopped;
`;
const CLIENT = `
import { connect } from "@causeway/ipc";
await using client = await connect("across");
console.log(await client.remote.add(1, 2), client.sync.add(3, 4));
client.oneway.stop();
`;

const registries = await startRegistries();
const sandbox = new Sandbox(registries);
after(async () => {
  sandbox[Symbol.dispose]();
  await registries[Symbol.asyncDispose]();
});
const projects = await installAll(sandbox);
for (const { folder } of projects) {
  fs.writeFileSync(path.join(folder, "server.mjs"), SERVER);
  fs.writeFileSync(path.join(folder, "client.mjs"), CLIENT);
}

for (const server of projects) {
  for (const client of projects) {
    test(`${client.way} calls ${server.way}`, { skip: notHere || notLinux }, async () => {
      const run = (project: typeof server, program: string) =>
        sandbox.run(project.folder, project.command(program, ["--allow-ffi"]));
      const [serving, calling] = await Promise.all([
        run(server, "server.mjs"),
        run(client, "client.mjs"),
      ]);
      assert.equal(printed(calling), "3 7\n");
      assert.equal(printed(serving), "");
    });
  }
}
