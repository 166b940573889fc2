// The pipeline of camera frames, as its first lines say to run it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runExample } from "../support/example.ts";

test("every frame arrives at the end of the pipeline, in order and inverted", async () => {
  const said = await runExample("camera_frames/main.ts", ["100"]);
  assert.match(said, /camera: 100 frames published/);
  // 40 lines of 1080 are 200 bright, the rest is 16: inverted 55 and 239.
  assert.match(said, /viewer: 100 frames, brightness 23[123]/);
  assert.match(said, /viewer: all 100 frames seen/);
});
