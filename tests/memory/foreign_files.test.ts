// What others put into the runtime directory is none of our business, and never an error.
import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import { reapNode } from "../../src/memory/nodes.ts";
import { NOBODY, Scratch } from "../support/scratch.ts";

test("cleaning up after a dead node passes over files and links that aren't ours", () => {
  using scratch = new Scratch();
  fs.mkdirSync(scratch.at("channel", "name"), { recursive: true, mode: 0o700 });
  fs.writeFileSync(scratch.at("channel", "name", `segment-${NOBODY}`), "");
  for (const file of ["a-file", "channel/a-file"]) fs.writeFileSync(scratch.at(file), "");
  for (const link of ["a-link", "channel/a-link"]) fs.symlinkSync("nowhere", scratch.at(link));

  reapNode(scratch.directory, NOBODY);

  assert.deepEqual(scratch.files(), ["a-file", "a-link", "channel/a-file", "channel/a-link"]);
});
