// How much later than a program that does nothing does one print that imports the library, connects
// to a running server and gets a reply?

import { Child } from "./harness/processes.ts";
import { milliseconds } from "./harness/question.ts";
import type { Measured, Runtime, RuntimeQuestion } from "./harness/question.ts";

export const question: RuntimeQuestion = {
  rows: [{
    asks: "load and first reply, beyond the runtime's own start",
    subject: "beyond",
    metric: "time",
    unit: milliseconds,
    target: { atMost: 20 },
  }],

  async run(runtime, { directory, quick }) {
    await using server = new Child(runtime, "programs/echo_server.ts", [], directory);
    await server.firstLine();
    const start = (program: string) => untilFirstLine(runtime, program, directory);

    await start("programs/bare.ts"); // fills the runtimes' caches of compiled files
    await start("programs/first_reply.ts");
    const bare: Measured[] = [];
    const beyond: Measured[] = [];
    for (let round = 0; round < (quick ? 5 : 21); round++) {
      const nothing = await start("programs/bare.ts");
      bare.push({ time: nothing });
      beyond.push({ time: await start("programs/first_reply.ts") - nothing });
    }
    return { bare, beyond };
  },
};

async function untilFirstLine(
  runtime: Runtime,
  program: string,
  directory: string,
): Promise<number> {
  const start = performance.now();
  await using child = new Child(runtime, program, [], directory);
  await child.firstLine();
  return (performance.now() - start) * 1e6;
}
