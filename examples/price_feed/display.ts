// Shows a price now and then: what it can't keep up with it drops, and says how much that was.

import { Subscriber } from "../../mod.ts";
import { price, TOPIC } from "./price.ts";

const subscriber = await Subscriber.open(TOPIC, {
  codec: price,
  onLag: "drop-oldest",
  onDisconnect: () => void subscriber.close(),
});
let shown = 0;
for await (const _ of subscriber) {
  // Drawing takes its time.
  if (++shown % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
console.log(
  `display: ${shown} prices shown, ${subscriber.lost} dropped, ${shown + subscriber.lost} in all`,
);
