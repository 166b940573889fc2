import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { Claims } from "../../src/memory/claims.ts";
import { Header, Kind, NodeLayout } from "../../src/memory/layout.ts";
import { isNodeId, randomNodeId } from "../../src/memory/names.ts";
import {
  createNode,
  isNodeDead,
  NODES,
  openNode,
  reapNode,
  removeNode,
} from "../../src/memory/nodes.ts";
import { readText } from "../../src/memory/segment.ts";
import { runtimeCommand } from "../support/process.ts";
import { native, Scratch } from "../support/scratch.ts";

test("a node is public with its lease taken and says who it is", () => {
  using scratch = new Scratch();
  const claims = new Claims(native, scratch.path);
  const { id, segment } = createNode(native, scratch.directory);
  assert.ok(isNodeId(id));
  assert.deepEqual(scratch.files(), [`${NODES}/${id}`]);
  const seen = openNode(native, scratch.directory, id)!;
  assert.equal(seen.creator, id);
  assert.equal(seen.u32(Header.kind), Kind.node);
  assert.equal(seen.isLeaseHeld(), true);
  const text = readText(seen, NodeLayout.description, NodeLayout.descriptionBytes);
  assert.equal(JSON.parse(text).runtime, native.runtime);
  seen.close();
  assert.equal(isNodeDead(native, scratch.directory, claims, id), false);
  removeNode(scratch.directory, id);
  segment.close();
  assert.deepEqual(scratch.files(), []);
  assert.equal(fs.existsSync(scratch.at(NODES)), false);
  claims.close();
});

/** What a node that ended without a word leaves behind. */
function deadNode(scratch: Scratch): string {
  const { id, segment } = createNode(native, scratch.directory);
  segment.close();
  return id;
}

test("a node that is gone, or whose lease is free, is dead", () => {
  using scratch = new Scratch();
  const claims = new Claims(native, scratch.path);
  const { directory } = scratch;
  assert.equal(isNodeDead(native, directory, claims, randomNodeId(native.shim)), true);
  assert.equal(openNode(native, directory, randomNodeId(native.shim)), undefined);
  const id = deadNode(scratch);
  assert.equal(isNodeDead(native, directory, claims, id), true);
  assert.equal(reapNode(directory, id), true);
  assert.deepEqual(scratch.files(), []);
  claims.close();
});

test("a dead node's files go, nobody else's", () => {
  using scratch = new Scratch();
  const claims = new Claims(native, scratch.path);
  const { directory } = scratch;
  const living = createNode(native, directory);
  const id = deadNode(scratch);
  for (const owner of [id, living.id]) {
    for (
      const [kind, name, file] of [
        ["rpc", "a", "server-0-"],
        ["rpc", "a", "new-server-1-"],
        ["rpc-clients", "a", "join-3-1-"],
        ["channel", owner, "join-0-1-"],
        ["later", "kind", "whatever-"],
      ] as const
    ) {
      fs.mkdirSync(scratch.at(kind, name), { recursive: true, mode: 0o700 });
      fs.writeFileSync(scratch.at(kind, name, file + owner), "");
    }
  }
  assert.equal(isNodeDead(native, directory, claims, id), true);
  assert.equal(reapNode(directory, id), true);
  const left = scratch.files();
  assert.equal(left.length, 6);
  assert.ok(left.every((file) => file.endsWith(living.id)), left.join(" "));
  assert.equal(fs.existsSync(scratch.at("channel", id)), false, "its empty folder goes too");
  living.segment.close();
  claims.close();
});

test("a new node sweeps after the dead, of any version", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  const living = createNode(native, directory);
  const dying = [createNode(native, directory), createNode(native, directory)];
  for (const { segment } of dying) segment.close();
  const dead = dying.map(({ id }) => id);
  const file = scratch.at(NODES, dead[1]!);
  const bytes = fs.readFileSync(file);
  bytes.writeUInt32LE(99, Header.version);
  fs.writeFileSync(file, bytes);
  fs.mkdirSync(scratch.at("rpc", "a"), { recursive: true, mode: 0o700 });
  for (const id of dead) fs.writeFileSync(scratch.at("rpc", "a", `server-0-${id}`), "");
  const sweeper = createNode(native, directory);
  assert.deepEqual(
    scratch.files(),
    [living.id, sweeper.id].map((id) => `${NODES}/${id}`).sort(),
  );
  living.segment.close();
  sweeper.segment.close();
});

test("a node that died before it was public goes with the next sweep", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  const id = deadNode(scratch);
  fs.renameSync(scratch.at(NODES, id), scratch.at(NODES, `${id}.new`));
  const sweeper = createNode(native, directory);
  assert.deepEqual(scratch.files(), [`${NODES}/${sweeper.id}`]);
  sweeper.segment.close();
});

test("a node that died before its file had a size goes with the next sweep", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  directory.within([NODES], () => {});
  fs.writeFileSync(scratch.at(NODES, "0123456789abcdef.new"), "", { mode: 0o600 });
  fs.mkdirSync(scratch.at(NODES, "0123456789abcde0.new"));
  const sweeper = createNode(native, directory);
  const left = fs.readdirSync(scratch.at(NODES)).sort();
  assert.deepEqual(left, ["0123456789abcde0.new", sweeper.id].sort());
  sweeper.segment.close();
});

test("a sweep leaves alone what is no node", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  directory.within([NODES], () => {});
  const strange = ["README", "0123456789abcde", "0123456789abcdef.old", "x.new"];
  for (const name of strange) fs.writeFileSync(scratch.at(NODES, name), new Uint8Array(4096));
  fs.mkdirSync(scratch.at(NODES, "0123456789abcdef"));
  const sweeper = createNode(native, directory);
  const left = fs.readdirSync(scratch.at(NODES)).sort();
  assert.deepEqual(left, [...strange, "0123456789abcdef", sweeper.id].sort());
  sweeper.segment.close();
});

test("nodes whose folder is removed while they are made are made all the same", () => {
  using scratch = new Scratch();
  const { directory } = scratch;
  for (let i = 0; i < 20; i++) {
    const { id, segment } = createNode(native, directory);
    removeNode(directory, id);
    segment.close();
  }
  assert.equal(fs.existsSync(scratch.at(NODES)), false);
});

test("who is out of descriptors has no proof of a death", {
  skip: process.platform === "win32" && "there is no ulimit",
}, () => {
  using scratch = new Scratch();
  const { id, segment } = createNode(native, scratch.directory);
  const program = new URL("./descriptors_program.ts", import.meta.url);
  const command = [...runtimeCommand(program), scratch.at(NODES, id)];
  const quoted = command.map((part) => `'${part}'`).join(" ");
  const said = execFileSync("sh", ["-c", `ulimit -n 128; exec ${quoted}`], { encoding: "utf8" });
  assert.equal(said.trim(), "LimitError");
  assert.deepEqual(scratch.files(), [`${NODES}/${id}`]);
  segment.close();
});
