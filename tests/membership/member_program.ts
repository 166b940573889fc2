// Joins a membership, says so, and stays until it is killed. See membership.test.ts.

import process from "node:process";
import { Kind } from "../../src/memory/layout.ts";
import { Membership } from "../../src/membership/membership.ts";
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
Membership.join(realm, parameters, { recover: () => {} }, 1);
console.log("joined");
setInterval(() => {}, 1000);
