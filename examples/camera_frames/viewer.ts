// Looks at the frames, in place, and says how bright they are.

import { bytes, Subscriber } from "../../mod.ts";
import { BYTES, numberOf } from "./frame.ts";

const started = performance.now();
let frames = 0;

const viewer = await Subscriber.open<Uint8Array<ArrayBuffer>>("inverted", {
  codec: bytes,
  borrow: true,
  onMessage(frame) {
    if (frame.length !== BYTES || numberOf(frame) !== frames++) {
      throw new Error(`frame ${numberOf(frame)} of ${frame.length} bytes, ${frames - 1} follows`);
    }
    if (frames % 50 !== 0) return;
    let sum = 0;
    for (let at = 4; at < frame.length; at += 101) sum += frame[at]!;
    console.log(`viewer: ${frames} frames, brightness ${Math.round(sum / (BYTES / 101))}`);
  },
  onDisconnect() {
    const perSecond = Math.round(frames / ((performance.now() - started) / 1000));
    console.log(`viewer: all ${frames} frames seen, ${perSecond} per second`);
    void viewer.close();
  },
});
