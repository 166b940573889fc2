// Prints which file the native library was loaded from, and that it works.

import { Channel } from "../../../mod.ts";
import { binding } from "../../../src/platform/runtime.ts";

await using _channel = await Channel.open(`loaded-${Math.random()}`);
console.log(`library: ${(await binding()).library}`);
