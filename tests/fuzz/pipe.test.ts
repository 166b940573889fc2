// One end of a pipe is honest; somebody else writes garbage into the memory under it. The honest
// end may fail with the library's errors, and nothing else.

import { test } from "node:test";
import { bytes, f64, fixedString, Receiver, Sender, struct, u32 } from "../../mod.ts";
import { Header, Kind, MembershipLayout, PipeLayout } from "../../src/memory/layout.ts";
import { Segment } from "../../src/memory/segment.ts";
import { fuzz, mutate, onlyOurs, turns } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";
import { native, Scratch } from "../support/scratch.ts";
import { within } from "../support/watchdog.ts";

const Reading = struct({ id: u32, value: f64, name: fixedString(12) });
type View = ReturnType<typeof Reading.view>;
const reading = (id: number) => ({ id, value: id, name: `größe${id % 100}` });

/** Where to change memory: more often where it matters. */
function mutateSegment(random: Random, segment: Segment): void {
  const { words } = segment;
  const [from, to] = random.pick([
    [PipeLayout.head, PipeLayout.head + 4],
    [PipeLayout.tail, PipeLayout.tail + 4],
    [PipeLayout.receiverWaiting, PipeLayout.messageBytes],
    [PipeLayout.messageBytes, PipeLayout.codecName + 8],
    [MembershipLayout.used, MembershipLayout.used + 4],
    [MembershipLayout.slots, MembershipLayout.slots + 192],
    [Header.capacity, Header.codec + 4],
    [PipeLayout.slots, PipeLayout.slots + 512],
    [0, words.length * 4],
  ]) as [number, number];
  mutate(random, words, from >> 2, to >> 2);
}

async function ours(task: () => unknown): Promise<void> {
  try {
    await task();
  } catch (error) {
    onlyOurs(error);
  }
}

test("a pipe's ends", () =>
  fuzz(async (random, alive) => {
    using scratch = new Scratch();
    const fixed = random.below(2) === 0;
    const options = {
      directory: scratch.path,
      capacity: random.pick([1, 4, 64]),
      ...(fixed ? { codec: Reading } : { codec: bytes, messageBytes: 40 }),
      timeout: 2,
      onError: onlyOurs,
      onConnect() {},
      onDisconnect() {},
    };
    type Options = { codec: typeof Reading };
    const sender = await Sender.open("pipe", options as Options);
    const handles = random.below(3);
    const receiver = await Receiver.open("pipe", {
      ...options,
      codec: options.codec as typeof Reading,
      ...(handles === 1 ? { onMessage() {}, acknowledge: random.below(2) === 0 } : {}),
      ...(handles === 2 && fixed
        ? { onRead: (view: View, count: number) => void view.at(count - 1).get() }
        : {}),
    });
    receiver.unref();
    const values = [1, 2, 3].map((id) =>
      fixed ? reading(id) : random.bytes(random.below(40)) as never
    );
    const garbage = Segment.open(native, scratch.at("pipe/pipe/shared"), Kind.pipe)!;
    for (let step = 0; step < 40; step++) {
      alive();
      switch (random.below(9)) {
        case 0:
        case 1:
          mutateSegment(random, garbage);
          break;
        case 2:
          await ours(() => sender.send(values[0]!, { timeout: random.below(3) }));
          break;
        case 3:
          await ours(() => sender.trySendMany(values));
          break;
        case 4:
          await ours(() => sender.write(1, (view) => view.set(reading(1)), { timeout: 1 }));
          break;
        case 5:
          await ours(() => receiver.tryReceiveMany(random.pick([1, 10])));
          break;
        case 6:
          await ours(() => receiver.receive({ timeout: random.below(3) }));
          break;
        case 7:
          await ours(() => receiver.tryRead((view: View) => void view.get()));
          await ours(() => [receiver.queued, sender.queued, sender.isConnected]);
          await ours(() => random.below(3) === 0 && sender.sendSync(values[1]!, { timeout: 1 }));
          break;
        default:
          await turns(random.below(4));
      }
    }
    garbage.close();
    await turns(2);
    await within(Promise.all([sender.close(), receiver.close()]), "closing", 20_000);
    await turns(2);
    // What says that it holds messages stays, and can be opened, or is refused, and removed.
    await ours(async () => {
      await using again = await Receiver.open("pipe", options as Options);
      await ours(() => again.tryReceiveMany());
    });
    await Receiver.remove("pipe", { directory: scratch.path });
  }));
