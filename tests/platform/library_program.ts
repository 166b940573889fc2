// Says where the native library came from, or why there is none.

import { binding } from "../../src/platform/runtime.ts";

const said = await binding().then(
  ({ library, shim }) => `${library} ${shim.cw_abi()}`,
  (error: Error & { code?: string }) => `${error.name} ${error.code} ${error.message}`,
);
console.log(said);
