// The words of a node are open to all its peers: garbage in them may wake it, and no more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, serve } from "../../mod.ts";
import { NodeLayout } from "../../src/memory/layout.ts";
import { openNode } from "../../src/memory/nodes.ts";
import { assertEmpty } from "../support/api.ts";
import { fuzz, mutate, onlyOurs, turns } from "../support/fuzz.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

test("a server's node", async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  const api = { add: (a: number, b: number) => a + b };
  await fuzz(async (random, alive) => {
    {
      await using _server = await serve("name", api, { directory, onError: onlyOurs });
      await using client = await connect<typeof api>("name", { directory });
      const id = scratch.files().find((file) => file.startsWith("nodes/"))!.slice(6);
      const node = openNode(native, scratch.directory, id)!;
      for (let step = 0; step < 30; step++) {
        alive();
        // Not the bell, whose value says that somebody else will wake the owner: a peer that
        // writes it can make it oversleep, which ends with the next ring.
        const from = random.pick([NodeLayout.block, NodeLayout.top, NodeLayout.ready]);
        mutate(random, node.words, from >> 2, (from >> 2) + random.pick([1, 40, 500]));
        const answer = client.remote.add(step, 1);
        await turns(random.below(3));
        assert.equal(await within(answer, "a call", 20_000), step + 1);
      }
      node.close();
    }
    assertEmpty(scratch);
  });
});
