import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { LimitError } from "../../src/errors.ts";
import { Claims, GENERATIONS } from "../../src/memory/claims.ts";
import { runtimeCommand } from "../support/process.ts";
import { skip as whySkipped } from "../support/removed_files.ts";
import { native, Scratch } from "../support/scratch.ts";

const skip = whySkipped();

/** Runs a task with the claims of two realms on the same directory. */
function withTwo(task: (a: Claims, b: Claims, scratch: Scratch) => void): void {
  using scratch = new Scratch();
  const a = new Claims(native, scratch.path);
  const b = new Claims(native, scratch.path);
  try {
    task(a, b, scratch);
  } finally {
    a.close();
    b.close();
  }
}

test(
  "a claim is seen by others, not by its realm, until it is dropped",
  { skip },
  () =>
    withTwo((a, b) => {
      a.take("name", 0);
      assert.equal(b.isUsedElsewhere("name"), true);
      assert.equal(a.isUsedElsewhere("name"), false);
      assert.equal(b.isUsedElsewhere("names"), false);
      a.drop("name", 0);
      assert.equal(b.isUsedElsewhere("name"), false);
    }),
);

test("what is taken several times is dropped as often", { skip }, () =>
  withTwo((a, b) => {
    for (let i = 0; i < 3; i++) a.take("name", 2);
    a.take("other", 0);
    assert.equal(a.size, 2);
    for (let i = 0; i < 2; i++) {
      a.drop("name", 2);
      assert.equal(b.isUsedElsewhere("name"), true);
    }
    a.drop("name", 2);
    assert.equal(b.isUsedElsewhere("name"), false);
    assert.equal(a.size, 1);
    // Dropped once more: it takes nothing of a later claim.
    a.drop("name", 2);
    assert.equal(a.size, 1);
    a.take("name", 2);
    assert.equal(b.isUsedElsewhere("name"), true);
    assert.equal(b.isUsedElsewhere("other"), true);
  }));

test(
  "several realms claim the same, and each drops its own",
  { skip },
  () =>
    withTwo((a, b, scratch) => {
      const c = new Claims(native, scratch.path);
      a.take("name", 1);
      b.take("name", 1);
      assert.ok(
        a.isUsedElsewhere("name") && b.isUsedElsewhere("name") && c.isUsedElsewhere("name"),
      );
      a.drop("name", 1);
      assert.deepEqual([a, b, c].map((each) => each.isUsedElsewhere("name")), [true, false, true]);
      b.drop("name", 1);
      assert.equal(c.isUsedElsewhere("name"), false);
      c.close();
    }),
);

test(
  "a use besides a generation is one in another, here or elsewhere",
  { skip },
  () =>
    withTwo((a, b) => {
      for (const generation of [0, 1, 31, GENERATIONS - 2, GENERATIONS - 1]) {
        a.take("name", generation);
        for (let other = 0; other < GENERATIONS; other++) {
          assert.equal(a.isUsedBesides("name", other), other !== generation, `${other}`);
          assert.equal(b.isUsedBesides("name", other), other !== generation, `${other}`);
        }
        a.drop("name", generation);
      }
      assert.equal(b.isUsedBesides("name", 0), false);
      // Neighbours, which are one range for the system.
      for (const generation of [4, 5, 6]) a.take("name", generation);
      assert.equal(b.isUsedBesides("name", 5), true);
      a.drop("name", 4);
      a.drop("name", 6);
      assert.equal(b.isUsedBesides("name", 5), false);
      assert.equal(b.isUsedBesides("name", 4), true);
    }),
);

test(
  "a free generation is used neither here nor elsewhere",
  { skip },
  () =>
    withTwo((a, b, scratch) => {
      assert.equal(a.freeGeneration("name"), 0);
      a.take("name", 0);
      b.take("name", 1);
      b.take("name", 3);
      assert.equal(a.freeGeneration("name"), 2);
      assert.equal(b.freeGeneration("name"), 2);
      a.drop("name", 0);
      assert.equal(b.freeGeneration("name"), 0);
      for (let i = 0; i < GENERATIONS; i++) (i % 2 === 0 ? a : b).take("name", i);
      for (const claims of [a, b]) {
        assert.throws(() => claims.freeGeneration("name"), (error) => {
          assert.ok(error instanceof LimitError);
          assert.ok(error.message.includes(`name in ${scratch.path} was removed 64 times`));
          return true;
        });
      }
      assert.equal(a.freeGeneration("other"), 0);
      a.drop("name", GENERATIONS - 2);
      assert.equal(b.freeGeneration("name"), GENERATIONS - 2);
    }),
);

test(
  "closing drops all, and ends with what the realm held only",
  { skip },
  () =>
    withTwo((a, b, scratch) => {
      const c = new Claims(native, scratch.path);
      a.take("name", 0);
      c.take("name", 1);
      c.take("other", 0);
      c.close();
      c.close();
      assert.equal(b.isUsedBesides("name", 0), false);
      assert.equal(b.isUsedElsewhere("name"), true);
      assert.equal(b.isUsedElsewhere("other"), false);
    }),
);

test(
  "claims hold when all files are removed, and leave none",
  { skip },
  () =>
    withTwo((a, b, scratch) => {
      fs.writeFileSync(scratch.at("name"), "");
      a.take("name", 0);
      fs.rmSync(scratch.at("name"));
      assert.equal(b.isUsedElsewhere("name"), true);
      assert.deepEqual(scratch.files(), []);
    }),
);

test("renewed in the same directory it is as before", { skip }, () =>
  withTwo((a, b) => {
    a.take("self", 0);
    a.take("name", 3);
    for (let i = 0; i < 3; i++) a.renew("self");
    // Its own claims would be seen through a second handle.
    assert.equal(a.isUsedElsewhere("name"), false);
    assert.equal(b.isUsedElsewhere("name"), true);
    a.drop("name", 3);
    assert.equal(b.isUsedElsewhere("name"), false);
  }));

test(
  "a directory that was made anew has the claims of before, and both lose them",
  { skip },
  () => {
    using scratch = new Scratch();
    const root = path.join(scratch.path, "root");
    fs.mkdirSync(root, { mode: 0o700 });
    const a = new Claims(native, root);
    const before = new Claims(native, root);
    a.take("self", 0);
    a.take("name", 3);
    a.take("name", 3);
    fs.rmdirSync(root);
    fs.mkdirSync(root, { mode: 0o700 });
    const after = new Claims(native, root);
    assert.equal(after.isUsedElsewhere("name"), false);
    a.renew("self");
    a.renew("self");
    a.take("late", 0);
    for (const each of [before, after]) {
      assert.equal(each.isUsedElsewhere("name"), true);
      assert.equal(each.isUsedBesides("name", 3), false);
      assert.equal(each.isUsedElsewhere("late"), true);
    }
    // What others claim is seen in both, too.
    before.take("theirs", 0);
    after.take("mine", 0);
    assert.ok(a.isUsedElsewhere("theirs") && a.isUsedElsewhere("mine"));
    assert.equal(a.isUsedElsewhere("name"), false);
    a.drop("name", 3);
    a.drop("name", 3);
    for (const each of [before, after]) assert.equal(each.isUsedElsewhere("name"), false);
    a.close();
    for (const each of [before, after]) assert.equal(each.isUsedElsewhere("self"), false);
    before.close();
    after.close();
  },
);

test("another process's claims go with it, however it ends", { skip }, () => {
  using scratch = new Scratch();
  const mine = new Claims(native, scratch.path);
  mine.take("mine", 0);
  const program = new URL("./claims_program.ts", import.meta.url);
  const [command, ...args] = runtimeCommand(program) as [string, ...string[]];
  const said = execFileSync(command, [...args, scratch.path], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(said.trim(), "mine: true, its own: false");
  assert.equal(mine.isUsedElsewhere("theirs"), false);
  mine.close();
});

test("a directory that isn't there is an error that names it", { skip }, () => {
  using scratch = new Scratch();
  assert.throws(() => new Claims(native, scratch.at("none")), /none/);
});

test("without claims in the system nothing is used, and nothing fails", {
  skip: skip === false && "this system has them",
}, () =>
  withTwo((a, b) => {
    a.take("name", 0);
    a.renew("self");
    assert.equal(b.isUsedElsewhere("name"), false);
    assert.equal(a.isUsedBesides("name", 1), true, "its own are known");
    assert.equal(a.freeGeneration("name"), 1);
    a.drop("name", 0);
    assert.equal(a.size, 0);
  }));
