// Opens and closes a channel, and says how that went: for tests that need a process.

import process from "node:process";
import { CausewayError, Channel } from "../../mod.ts";

const directory = process.argv[2];
try {
  const channel = await Channel.open("name", directory === undefined ? {} : { directory });
  await channel.close();
  console.log("fine");
} catch (error) {
  if (!(error instanceof CausewayError)) throw error;
  console.log(error.name, error.code, error.message);
}
