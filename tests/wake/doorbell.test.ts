import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind, MAX_SOURCES, NodeLayout } from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { Bell, collect, NodeWords, ring } from "../../src/wake/doorbell.ts";
import { Random, seed } from "../support/random.ts";
import { native, Scratch } from "../support/scratch.ts";

function withNode(task: (node: Segment) => void): void {
  using scratch = new Scratch();
  const node = scratch.segment("node", { kind: Kind.node, pages: NodeLayout.pages });
  task(node);
  node.close();
}

function collected(node: Segment): number[] {
  const sources: number[] = [];
  collect(node, (source) => void sources.push(source));
  return sources.sort((a, b) => a - b);
}

test("who was rung for is collected, once", () =>
  withNode((node) => {
    const sources = [0, 1, 31, 32, 1023, 1024, 5000, MAX_SOURCES - 1];
    for (const source of sources) ring(native.shim, node, source);
    for (const source of sources) ring(native.shim, node, source);
    assert.deepEqual(collected(node), sources);
    assert.deepEqual(collected(node), []);
    assert.ok(node.bytes.subarray(NodeLayout.top).every((byte) => byte === 0));
  }));

test(`every source by itself, and any number together (seed ${seed})`, () =>
  withNode((node) => {
    for (let source = 0; source < MAX_SOURCES; source++) {
      ring(native.shim, node, source);
      let found = -1;
      collect(node, (each) => void (found = each));
      assert.equal(found, source);
    }
    const random = new Random();
    for (let round = 0; round < 50; round++) {
      const sources = new Set<number>();
      for (let i = random.below(300); i > 0; i--) sources.add(random.below(MAX_SOURCES));
      for (const source of sources) ring(native.shim, node, source);
      assert.deepEqual(collected(node), [...sources].sort((a, b) => a - b));
    }
  }));

test("a source out of range touches nothing", () =>
  withNode((node) => {
    const before = node.bytes.slice();
    for (const source of [MAX_SOURCES, 65536, 0x7fff_ffff, -1, 0xffff_ffff, 2 ** 40, NaN]) {
      if (source >>> 0 < MAX_SOURCES) continue;
      ring(native.shim, node, source);
    }
    assert.deepEqual(node.bytes, before);
  }));

test("ringing changes the bell of who sleeps, and of nobody else", () =>
  withNode((node) => {
    for (
      const [before, after, blocks] of [
        [Bell.awake, Bell.awake, 0],
        [Bell.parked, Bell.rung, 0],
        [Bell.rung, Bell.rung, 0],
        [Bell.blocked, Bell.awake, 1],
        [Bell.closed, Bell.closed, 0],
        [77, 77, 0],
      ] as const
    ) {
      node.setU32(NodeLayout.block, 0);
      node.setU32(NodeLayout.bell, before);
      ring(native.shim, node, 3);
      assert.equal(node.u32(NodeLayout.bell), after);
      assert.equal(node.u32(NodeLayout.block), blocks);
      assert.deepEqual(collected(node), [3], "the bit is set in any case");
    }
  }));

test("bits that anybody set are sources in range, and end", () =>
  withNode((node) => {
    node.words.fill(-1, NodeWords.top);
    const sources = new Set<number>();
    collect(node, (source) => void sources.add(source));
    assert.equal(sources.size, MAX_SOURCES);
    assert.equal(Math.max(...sources), MAX_SOURCES - 1);
    node.words.fill(0, NodeWords.ready);
    node.words.fill(-1, NodeWords.top, NodeWords.summary + 32);
    assert.deepEqual(collected(node), [], "summaries without bits");
  }));

test("a bit that is set while others are collected isn't lost", () =>
  withNode((node) => {
    ring(native.shim, node, 700);
    const sources: number[] = [];
    collect(node, (source) => {
      sources.push(source);
      if (source === 700) { for (const late of [0, 700, 31_000]) ring(native.shim, node, late); }
    });
    assert.deepEqual([...sources, ...collected(node)].sort((a, b) => a - b), [0, 700, 700, 31_000]);
  }));
