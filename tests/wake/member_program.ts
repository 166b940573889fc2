// Joins a commons, says so, and stays until it is killed. See commons.test.ts.

import process from "node:process";
import { Kind } from "../../src/memory/layout.ts";
import { Commons } from "../../src/wake/commons.ts";
import { Realm } from "../../src/wake/realm.ts";

const realm = await Realm.acquire(process.argv[2], () => {});
const parameters = {
  folder: "queue",
  name: "jobs",
  encoded: "jobs",
  kind: Kind.queue,
  dataBytes: (capacity: number) => capacity,
  capacity: undefined,
  defaultCapacity: 4096,
};
Commons.join(realm, parameters, { recover: () => {} }, 1);
console.log("joined");
setInterval(() => {}, 1000);
