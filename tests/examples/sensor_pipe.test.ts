// The sensors, as the example's first lines say to run them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runExample } from "../support/example.ts";

test("every reading of both programs is aggregated once", async () => {
  const said = await runExample("sensor_pipe/main.ts", ["200000"]);
  for (let sensor = 0; sensor < 4; sensor++) {
    // Every thousandth is invalid: those of sensor 3.
    const valid = sensor === 3 ? 49_800 : 50_000;
    assert.match(said, new RegExp(`sensor ${sensor}: ${valid} readings, mean 2[45]\\.\\d\\d °C`));
  }
  assert.match(said, /200000 readings, 200 invalid/);
  assert.equal(said.match(/100000 readings sent/g)?.length, 2);
});
