// Joins a membership, says so, and stays until it is killed. See membership.test.ts.

import process from "node:process";
import { Kind } from "../../src/memory/layout.ts";
import { joinMember } from "../support/realm.ts";

const parameters = {
  folder: "queue",
  name: "jobs",
  encoded: "jobs",
  kind: Kind.queue,
  dataBytes: (capacity: number) => capacity,
  capacity: undefined,
  defaultCapacity: 4096,
};
await joinMember(process.argv[2]!, parameters);
console.log("joined");
setInterval(() => {}, 1000);
