// Programs that carry the package with them: executables and bundles, run far from where they were
// made, without a network; and packages that are links.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { bun, deno, node, root } from "../../tools/toolchain.mjs";
import { unpackPackage } from "../../tools/unpack.ts";
import { denortMissing } from "./deno_compile.ts";
import { filesIn, Installed, notLinux, readProbe } from "./installed.ts";
import { cantMount, Mount } from "./mount.ts";
import { printed } from "./program.ts";
import { NAME, packedFile, startRegistries, version } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const registries = await startRegistries();
const workshop = new Sandbox(registries);
after(() => workshop[Symbol.dispose]());
let inBun: Installed, inNode: Installed, inDeno: Installed;
before(async () => {
  inBun = await Installed.make(workshop, "Bun");
  inNode = await Installed.make(workshop, "Node");
  inDeno = await Installed.make(workshop, "Deno from JSR");
  printed(await workshop.shell(inNode.folder, "npm install esbuild"));
  await registries[Symbol.asyncDispose](); // nobody needs a network from now on
});

/** A program that was made in the workshop. */
interface Carried {
  name: string;
  make: () => Promise<{ files: string[]; run: (folder: string) => string[] }>;
  skip?: string | false;
}

/** Builds something from the probe and names the folder or file that comes of it. */
async function build(project: Installed, line: string, made: string): Promise<string[]> {
  printed(await workshop.shell(project.folder, line));
  const out = path.join(project.folder, made);
  return fs.statSync(out).isDirectory() ? filesIn(out) : [out];
}

const carried: Carried[] = [
  {
    name: "bun build --compile",
    make: async () => ({
      files: await build(inBun, "bun build probe.mjs --compile --outfile=probe", "probe"),
      run: (folder) => [path.join(folder, "probe")],
    }),
  },
  {
    name: "bun build --compile --minify --bytecode",
    make: async () => ({
      files: await build(
        inBun,
        "bun build probe.mjs --compile --minify --bytecode --format=esm --outfile=small",
        "small",
      ),
      run: (folder) => [path.join(folder, "small")],
    }),
  },
  {
    name: "bun build, in one file",
    make: async () => ({
      files: await build(inBun, "bun build probe.mjs --target=bun --outdir=one", "one"),
      run: (folder) => [bun, path.join(folder, "probe.js")],
    }),
  },
  {
    name: "bun build --splitting",
    make: async () => ({
      files: await build(
        inBun,
        "bun build probe.mjs --target=bun --splitting --outdir=many",
        "many",
      ),
      run: (folder) => [bun, path.join(folder, "probe.js")],
    }),
  },
  {
    name: "bun build for Node",
    make: async () => ({
      files: await build(
        inBun,
        "bun build probe.mjs --target=node --format=esm --outfile=for-node/probe.mjs",
        "for-node",
      ),
      run: (folder) => [node, "--no-warnings", path.join(folder, "probe.mjs")],
    }),
  },
  {
    name: "esbuild, in one file",
    make: async () => ({
      files: await build(
        inNode,
        "npx esbuild probe.mjs --bundle --platform=node --format=esm --outfile=one/probe.mjs",
        "one",
      ),
      run: (folder) => [node, "--no-warnings", path.join(folder, "probe.mjs")],
    }),
  },
  {
    name: "esbuild --minify --splitting",
    make: async () => ({
      files: await build(
        inNode,
        "npx esbuild probe.mjs --bundle --minify --splitting --platform=node --format=esm " +
          "--outdir=many --out-extension:.js=.mjs",
        "many",
      ),
      run: (folder) => [node, "--no-warnings", path.join(folder, "probe.mjs")],
    }),
  },
  {
    name: "esbuild, run by Deno",
    make: async () => ({
      files: await build(
        inNode,
        "npx esbuild probe.mjs --bundle --platform=node --format=esm --outfile=deno/probe.mjs",
        "deno",
      ),
      run: (folder) => [deno, "run", "-A", "--no-remote", path.join(folder, "probe.mjs")],
    }),
  },
  {
    name: "deno compile",
    make: async () => ({
      files: await build(inDeno, "deno compile -A --output probe probe.mjs", "probe"),
      run: (folder) => [path.join(folder, "probe")],
    }),
    skip: denortMissing,
  },
];

for (const { name, make, skip = false } of carried) {
  test(`${name}: runs elsewhere`, { skip: notHere || notLinux || skip }, async () => {
    const { files, run } = await make();
    using elsewhere = new Sandbox();
    const folder = elsewhere.folderNamed("here");
    for (const file of files) fs.copyFileSync(file, path.join(folder, path.basename(file)));
    const probe = async (variables: Record<string, string | undefined> = {}) =>
      readProbe(await elsewhere.run(elsewhere.folder, run(folder), variables));

    assert.deepEqual(await probe(), { sum: 3, library: "memory" });
    const cached = await probe({ CAUSEWAY_CACHE: path.join(elsewhere.home, "causeway") });
    assert.equal(cached.sum, 3, JSON.stringify(cached));
    assert.equal(path.dirname(cached.library!), path.join(elsewhere.home, "causeway"));
    const bare = Object.fromEntries(Object.keys(elsewhere.env).map((key) => [key, undefined]));
    assert.deepEqual(await probe(bare), { sum: 3, library: "memory" });
    if (cantMount) return;
    using _home = Mount.readOnly(elsewhere.home);
    assert.deepEqual(await probe(), { sum: 3, library: "memory" });
  });
}

test("a CommonJS program and its bundle", { skip: notHere }, async () => {
  const { folder } = inNode;
  const source = path.join(root, "examples/install/node-require/hello.cjs");
  fs.copyFileSync(source, path.join(folder, "hello.cjs"));
  const bundle = "npx esbuild hello.cjs --bundle --platform=node --format=cjs --outfile=out.cjs";
  printed(await workshop.shell(folder, bundle));
  using elsewhere = new Sandbox();
  fs.copyFileSync(path.join(folder, "out.cjs"), path.join(elsewhere.folder, "out.cjs"));
  for (const command of [[node], [bun], [deno, "run", "-A", "--no-remote"]]) {
    const said = await workshop.run(folder, [...command, "hello.cjs"]);
    assert.equal(printed(said), "Hello, world!\n", command.join(" "));
    const bundled = await elsewhere.run(elsewhere.folder, [...command, "out.cjs"]);
    assert.equal(printed(bundled), "Hello, world!\n", command.join(" "));
  }
});

test("deno compile takes the libraries into the executable", {
  skip: notHere || notLinux,
}, async () => {
  // Any program will do for the runtime that goes before ours: the executable isn't started.
  const DENORT_BIN = fs.realpathSync("/bin/sh");
  const line = "deno compile -A --output executable probe.mjs";
  printed(await workshop.shell(inDeno.folder, line, { DENORT_BIN }));
  const executable = fs.readFileSync(path.join(inDeno.folder, "executable"));
  const modules = [...registries.jsr.files(NAME, version)]
    .filter(([file]) => file.startsWith("src/platform/native/"));
  assert.ok(modules.length > 0);
  for (const [file, text] of modules) {
    const sha256 = /sha256: string = "(.+)"/.exec(text.toString("utf8"))![1]!;
    assert.ok(executable.includes(sha256), `${file} isn't in it`);
  }
});

for (
  const [name, install, run] of [
    ["Bun", "bun install", [bun]],
    ["Node", "npm install", [node, "--no-warnings"]],
    ["Deno", "deno install", [deno, "run", "-A"]],
  ] as const
) {
  test(
    `${name}: the package is a link to a folder of the workspace`,
    { skip: notHere },
    async () => {
      using sandbox = new Sandbox();
      const folder = sandbox.project("work", {
        "package.json": { private: true, workspaces: ["ipc", "app"] },
        "app/package.json": {
          name: "app",
          version: "1.0.0",
          type: "module",
          dependencies: { "@causeway/ipc": name === "Node" ? "*" : "workspace:*" },
        },
      });
      fs.mkdirSync(path.join(folder, "ipc"));
      unpackPackage(packedFile, path.join(folder, "ipc"));
      fs.copyFileSync(path.join(inNode.folder, "probe.mjs"), path.join(folder, "app/probe.mjs"));
      printed(await sandbox.shell(folder, install));
      const program = path.join(folder, "app/probe.mjs");
      const probed = readProbe(await sandbox.run(folder, [...run, program]));
      assert.equal(probed.sum, 3, JSON.stringify(probed));
      const link = ["", "app"].map((where) =>
        path.join(folder, where, "node_modules/@causeway/ipc")
      );
      const found = link.find((file) => fs.existsSync(file))!;
      assert.equal(fs.realpathSync(found), fs.realpathSync(path.join(folder, "ipc")));
    },
  );
}
