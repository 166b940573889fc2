// MessagePack in the bundle, which gets no Buffer in Deno: the same bytes and values everywhere.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { run } from "../../tools/process.ts";
import { bun, deno, node, root } from "../../tools/toolchain.mjs";
import { Packed } from "./packed.ts";

/** Prints what the values become, in bytes and after the way there and back. */
const program = (module: string) => `
import { messagePack } from ${JSON.stringify(module)};

const cyclic = { name: "cyclic" };
cyclic.self = [cyclic];
const text = "grüße 漢字 👋 ";
const values = [
  null, true, 0, -1, 255, -129, 65536, 2 ** 40, -1.5, NaN, Infinity,
  0n, 123n, -(2n ** 63n), 2n ** 64n, -(2n ** 200n), 10n ** 1000n,
  "", "a", text, text.repeat(5), text.repeat(50), text.repeat(20_000), "x".repeat(100_000),
  new Date(0), new Date(1e15), /a+b/gi, new Map([[1, { a: 1 }]]), new Set(["x", 2]),
  new Uint8Array([1, 2, 3]), new Float64Array([1.5, -2]), new BigInt64Array([-1n]),
  new Uint8Array(50_000).fill(7), new Uint16Array([1, 2]).buffer,
  globalThis.Buffer.from([1, 2]), new DataView(new ArrayBuffer(4)), new TypeError("wrong"), { a: undefined, b: [undefined] },
  Array.from({ length: 300 }, (_, index) => ({ index, name: "n" + index })), cyclic,
];
for (const value of values) {
  const bytes = messagePack.encode(value);
  let hash = bytes.length;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  const back = messagePack.decode(new Uint8Array(bytes));
  const kind = Object.prototype.toString.call(back);
  const json = JSON.stringify(back, (_, each) =>
    typeof each === "bigint" ? each + "n"
      : each === cyclic || each?.self ? "cyclic"
      : each instanceof Map || each instanceof Set ? [...each]
      : each instanceof RegExp || each instanceof Error ? String(each)
      : each instanceof ArrayBuffer ? [...new Uint8Array(each)]
      : each instanceof DataView ? [...new Uint8Array(each.buffer)] : each);
  console.log(bytes.length, hash, bytes instanceof Uint8Array, kind, json?.length, json?.slice(0, 80));
}
`;

const runtimes = { Deno: [deno, "run", "-A", "--no-check"], Bun: [bun], Node: [node] };

let packed: Packed;
let expected: string;

before(async () => {
  packed = await Packed.make();
  expected = await said("from-sources.mjs", pathToFileURL(path.join(root, "mod.ts")).href, [node]);
});
after(() => packed[Symbol.dispose]());

for (const [name, command] of Object.entries(runtimes)) {
  test(`values have the same bytes from the bundle in ${name} as from the sources in Node`, async () => {
    assert.equal(await said(`${name}.mjs`, "./mod.js", command), expected);
  });
}

async function said(file: string, module: string, command: string[]): Promise<string> {
  const place = path.join(packed.folder, file);
  fs.writeFileSync(place, program(module));
  const { code, output } = await run([...command, place], { env: { NO_COLOR: "1" } });
  assert.equal(code, 0, output);
  assert.equal(output.trim().split("\n").length, 40, output.slice(0, 2000));
  return output;
}
