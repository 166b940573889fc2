// The price feed, as its first lines say to run it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runExample } from "../support/example.ts";

test("every subscriber gets what its policy says", async () => {
  const said = await runExample("price_feed/main.ts", ["40000"]);
  assert.match(said, /feed: 40000 prices published/);
  assert.match(said, /ledger: 40000 prices, none missing/);
  assert.match(said, /display: \d+ prices shown, \d+ dropped, 40000 in all/);
  assert.match(said, /alarm: (watched 40000 prices|too slow, disconnected after)/);
});
