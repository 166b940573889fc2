// What is in the npm package, and that it and the JSR package are one: exports, names, versions.

import assert from "node:assert/strict";
import fs from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import zlib from "node:zlib";
import { agreedVersion } from "../../tools/pack/agreement.ts";
import { targets } from "../../tools/embed.mjs";
import { lintCommands } from "../../tools/pack/lint.ts";
import { run } from "../../tools/process.ts";
import { deno, node, root } from "../../tools/toolchain.mjs";
import { filesOf } from "../support/documents.ts";
import { Packed } from "./packed.ts";

/** What programs load, all targets together, compressed. */
const LARGEST = 300_000;
/** With types, the source map and the documentation. */
const LARGEST_FILE = 450_000;

let packed: Packed;
let files: Map<string, string>;

before(async () => {
  packed = await Packed.make();
  files = packed.contents();
});
after(() => packed[Symbol.dispose]());

function json(name: string): Record<string, unknown> {
  return JSON.parse(fs.readFileSync(path.join(root, name), "utf8"));
}

test("the package has the code, its map and its types, a module for each target, and texts", () => {
  assert.deepEqual([...files.keys()].sort(), [
    ...["CHANGELOG.md", "LICENSE", "README.md"],
    ...filesOf("docs/*.md"),
    ...targets().map((target) => `libraries/${target}.js`).sort(),
    ...["mod.d.ts", "mod.js", "mod.js.map", "package.json"],
  ]);
});

test("the code and its libraries are smaller than 300 KB, the package than 450 KB", (t) => {
  const code = [...files].filter(([name]) => name.endsWith(".js"));
  const sizes = code.map(([, text]) => zlib.gzipSync(text, { level: 9 }).length);
  const loaded = sizes.reduce((sum, size) => sum + size);
  const { size } = fs.statSync(packed.file);
  t.diagnostic?.(`${(loaded / 1000).toFixed(1)} of ${(size / 1000).toFixed(1)} KB`);
  assert.ok(loaded < LARGEST, `${loaded} bytes`);
  assert.ok(size < LARGEST_FILE, `${size} bytes`);
});

test("the links in its texts lead to what is in the package", () => {
  let checked = 0;
  for (const [name, text] of files) {
    if (!name.endsWith(".md")) continue;
    for (const [, target] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const file = path.posix.join(path.posix.dirname(name), target!);
      assert.ok(files.has(file), `${name} links to ${target}`);
      checked++;
    }
  }
  assert.ok(checked > 50, `${checked} links`);
});

test("the package is made of the same bytes each time", async () => {
  using again = await Packed.make();
  assert.deepEqual(fs.readFileSync(again.file), fs.readFileSync(packed.file));
});

test("package.json has what users need and nothing of development", () => {
  const { exports, files: listed, ...rest } = JSON.parse(files.get("package.json")!);
  const { name, version, description, keywords, license } = json("package.json");
  assert.deepEqual(rest, {
    ...{ name, version, description, keywords, license },
    type: "module",
    sideEffects: false,
    engines: { node: ">=26.1", bun: ">=1.4", deno: ">=2.9" },
    types: "./mod.d.ts",
  });
  const code = "./mod.js";
  assert.deepEqual(exports, {
    ".": { types: "./mod.d.ts", bun: code, deno: code, node: code, default: code },
    "./package.json": "./package.json",
  });
  assert.deepEqual(
    Object.keys(exports["."])[0],
    "types",
    "TypeScript takes the first that matches",
  );
  for (const entry of listed) assert.ok(fs.existsSync(path.join(packed.folder, entry)), entry);
});

test("nothing is left of this machine, and nothing leads out of the package", () => {
  const places = [root, os.homedir(), "causeway-packed-"].filter((name) => name.length > 5);
  for (const [name, text] of files) {
    for (const place of places) assert.ok(!text.includes(place), `${name} names ${place}`);
    if (!/\.(js|ts)$/.test(name)) continue;
    for (const [, specifier] of text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)) {
      if (specifier === "@causeway/ipc") continue; // an example in a comment
      assert.match(specifier!, /^\.\/libraries\/[\w-]+\.js$/, name);
      assert.ok(files.has(specifier!.slice(2)), `${name}: ${specifier}`);
    }
  }
});

test("the license is inside, and no code but ours", () => {
  assert.equal(files.get("LICENSE"), fs.readFileSync(path.join(root, "LICENSE"), "utf8"));
  const { sources } = JSON.parse(files.get("mod.js.map")!) as { sources: string[] };
  for (const source of sources) assert.match(source, /^(src\/|mod\.ts$)/);
});

test("source maps lead from each function to the line where it is declared", () => {
  const payload: unknown = JSON.parse(files.get("mod.js.map")!);
  const map = new SourceMap(payload as SourceMapPayload);
  let checked = 0;
  files.get("mod.js")!.split("\n").forEach((line, index) => {
    const name = /^(?:async )?function\*? (\w+)\(/.exec(line)?.[1];
    if (name === undefined) return;
    const entry = map.findEntry(index, line.indexOf(name)) as {
      originalSource: string;
      originalLine: number;
    };
    const source = fs.readFileSync(path.join(root, entry.originalSource), "utf8").split("\n");
    // The bundler numbers names that several files have.
    const expected = new RegExp(`function\\*? (${name}|${name.replace(/\d$/, "")})\\b`);
    assert.match(source[entry.originalLine]!, expected, `${entry.originalSource}, ${name}`);
    checked++;
  });
  assert.ok(checked > 100, `${checked} functions`);
});

test("both packages have the same version, and the changelog begins with it", () => {
  assert.equal(agreedVersion(), JSON.parse(files.get("package.json")!).version);
});

test("both packages export the same: mod.ts, and names that agree in code and types", async () => {
  const { exports } = json("deno.json");
  assert.equal(exports, "./mod.ts");
  const { exports: ours } = json("package.json") as { exports: Record<string, unknown> };
  assert.deepEqual(Object.keys(ours), [".", "./package.json"]);

  const url = pathToFileURL(path.join(packed.folder, "mod.js")).href;
  const bundled = Object.keys(await import(url)).sort();
  assert.deepEqual(bundled, Object.keys(await import("../../mod.ts")).sort());

  const names = exportedBy(files.get("mod.d.ts")!);
  for (const name of bundled) assert.ok(names.includes(name), `${name} has no type`);
  assert.deepEqual(await documented(), names);
});

/** The names that JSR will show. */
async function documented(): Promise<string[]> {
  const { code, output } = await run([deno, "doc", "--json", "--quiet", "mod.ts"]);
  assert.equal(code, 0, output);
  const found = new Set<string>();
  const visit = (node: { name?: string; symbols?: unknown[]; nodes?: unknown }): void => {
    for (const symbol of (node.symbols ?? []) as { name: string }[]) found.add(symbol.name);
    for (const each of Object.values(node.nodes ?? {})) visit(each as typeof node);
  };
  visit(JSON.parse(output));
  return [...found].sort();
}

/** The names in the lists of exports that the declarations end with. */
function exportedBy(declarations: string): string[] {
  return [...declarations.matchAll(/^export (?:type )?\{([^}]*)\};$/gm)]
    .flatMap(([, list]) => list!.split(","))
    .map((name) => name.trim().replace(/^.* as /, ""))
    .sort();
}

test("publint and are-the-types-wrong have nothing to say", async () => {
  const commands = lintCommands(packed.folder, packed.file);
  const publint = await run(commands.publint);
  assert.equal(publint.code, 0, publint.output);
  assert.match(publint.output, /All good/); // its mere suggestions are no failure to it
  const attw = await run([...commands.attw, "--format", "json"]);
  assert.equal(attw.code, 0, attw.output);
});

test("JSR would take the package: no slow types, no warnings, every library with it", async () => {
  const { code, output } = await run([deno, "publish", "--dry-run", "--allow-dirty"], {
    env: { NO_COLOR: "1" },
  });
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /^\s*(warning|error)/im);
  const shipped = [...output.matchAll(/file:\/\/\S+/g)].map(([url]) =>
    path.relative(root, fileURLToPath(url)).replaceAll(path.sep, "/")
  );
  for (const target of targets()) {
    assert.ok(shipped.includes(`src/platform/native/${target}.ts`), target);
  }
  const known =
    /^(mod\.ts|(src|docs)\/[\w/-]+\.(ts|md)|(README|CHANGELOG|CONTRIBUTING)\.md|LICENSE|deno\.json)$/;
  assert.deepEqual(shipped.filter((name) => !known.test(name)), []);
});
