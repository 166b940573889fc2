// A stage of the pipeline: reads each frame where the camera left it, writes the inverted one where
// the viewer will read it. Nothing is copied in between.

import { bytes, Publisher, Subscriber } from "../../mod.ts";
import { CAPACITY, numberOf, setNumber } from "./frame.ts";

const inverted = await Publisher.open("inverted", { codec: bytes, capacity: CAPACITY });
await inverted.ready();

const camera = await Subscriber.open<Uint8Array<ArrayBuffer>>("camera", {
  codec: bytes,
  borrow: true,
  // The next frame waits until this one is finished, and the camera until there is room.
  async onMessage(frame) {
    using result = await inverted.loan(frame.length);
    const from = new Uint32Array(frame.buffer, frame.byteOffset, frame.length >> 2);
    const to = new Uint32Array(result.bytes.buffer, result.bytes.byteOffset, from.length);
    for (let i = 0; i < from.length; i++) to[i] = ~from[i]!;
    setNumber(result.bytes, numberOf(frame));
    result.publish();
  },
  async onDisconnect() {
    await camera.close();
    await inverted.close();
  },
});
