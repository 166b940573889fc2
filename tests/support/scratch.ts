/**
 * Real shared memory for tests: the shim of this runtime, and directories that go
 * with the test.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { RuntimeDirectory } from "../../src/memory/directory.ts";
import { Kind } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import type { SegmentParameters } from "../../src/memory/segment.ts";
import { binding } from "../../src/platform/runtime.ts";

/** The binding of the runtime that runs the test. */
export const native = await binding();

/** A node id that belongs to nobody. */
export const NOBODY = "0102030405060708";

/** Why a test that needs another user's files can't run, or false. */
export const notRoot = process.getuid?.() === 0 ? false : "only root can give a file away";

/** A private directory, removed with all that is in it at the end of the scope. */
export class Scratch implements Disposable {
  readonly path: string;
  readonly directory: RuntimeDirectory;

  constructor(parent: string = process.env["CAUSEWAY_DIR"] || os.tmpdir()) {
    this.path = fs.mkdtempSync(path.join(parent, "scratch-"));
    this.directory = new RuntimeDirectory(native, this.path);
  }

  /** A path in it. */
  at(...parts: string[]): string {
    return path.join(this.path, ...parts);
  }

  /** Makes a segment in it. */
  segment(file: string, parameters: Partial<SegmentParameters> = {}): Segment {
    return Segment.create(native, this.at(file), {
      kind: Kind.connection,
      pages: 1,
      creator: NOBODY,
      ...parameters,
    })!;
  }

  /** All files in it, at any depth. */
  files(): string[] {
    return fs.readdirSync(this.path, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(this.path, path.join(entry.parentPath, entry.name)))
      .sort();
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}
