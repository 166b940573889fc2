// Claims a name in a directory, says what it sees, and ends without dropping it.

import process from "node:process";
import { Claims } from "../../src/memory/claims.ts";
import { binding } from "../../src/platform/runtime.ts";

const claims = new Claims(await binding(), process.argv[2]!);
claims.take("theirs", 0);
const seen = [claims.isUsedElsewhere("mine"), claims.isUsedElsewhere("theirs")];
console.log(`mine: ${seen[0]}, its own: ${seen[1]}`);
process.exit(0);
