import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, isAsked, peerOf, rowOf, subjectOf } from "../../bench/harness/payload_cells.ts";
import { checkDigest, checkWhole, digest, sample, VARIANTS } from "../../bench/harness/samples.ts";

test("samples differ, and stay what they are", () => {
  for (const size of [1, 2, 100, 1000]) {
    const all = Array.from({ length: VARIANTS }, (_, variant) => sample(size, variant));
    assert.equal(new Set(all.map(digest)).size, VARIANTS, `${size}`);
    assert.equal(sample(size, VARIANTS + 1), all[1]);
    assert.deepEqual([...new Set(all.map(({ length }) => length))], [size]);
  }
  assert.equal(digest(sample(0, 3)), 0);
});

test("a wrong answer is found: by its length, by its ends, and by any byte where all are looked at", () => {
  const right = sample(100, 2);
  checkDigest(digest(right), 100, 2);
  checkWhole(right.slice(), 100, 2);
  checkWhole(undefined, 0, 0); // nothing came back of nothing
  assert.throws(
    () => checkDigest(digest(right), 100, 3),
    /sent 100 B from 3 to 3, 100 B from 2 to 2/,
  );
  assert.throws(() => checkDigest(digest(right.subarray(1)), 100, 2), /99 B from/);
  assert.throws(() => checkWhole(undefined, 100, 2), /0 B from/);
  for (const at of [0, 1, 50, 98, 99]) {
    const wrong = right.slice();
    wrong[at]! ^= 1;
    assert.throws(() => checkWhole(wrong, 100, 2), at % 99 === 0 ? /arrived/ : /^Error: byte/);
  }
});

test("each cell has a name of its own, and a peer that has another", () => {
  const subjects = cells.map(subjectOf);
  assert.equal(new Set(subjects).size, cells.length);
  for (const cell of cells) {
    assert.ok(!subjects.includes(peerOf(cell)));
    const { subject, peer } = rowOf(cell);
    assert.deepEqual([subject, peer], [subjectOf(cell), peerOf(cell)]);
  }
});

test("a quick run asks less than the usual one, and --full everything", () => {
  const asked = (quick: boolean, full: boolean) =>
    cells.filter((cell) => isAsked(cell, { quick, full }));
  const quick = asked(true, false);
  const usual = asked(false, false);
  assert.ok(quick.length > 10 && quick.length < usual.length / 2, `${quick.length}`);
  assert.ok(usual.length < cells.length / 2, `${usual.length} of ${cells.length}`);
  assert.equal(asked(false, true).length, cells.length);
  for (const { size } of usual) assert.ok(size <= 16_000_000);
  const isUsual = new Set(usual);
  for (const cell of quick) assert.ok(isUsual.has(cell), subjectOf(cell));
});
