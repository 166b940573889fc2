// Must have every price: holds the feed back rather than miss one.

import { Subscriber } from "../../mod.ts";
import { price, SYMBOLS, TOPIC } from "./price.ts";

const subscriber = await Subscriber.open(TOPIC, {
  codec: price,
  onLag: "block",
  // The feed has closed and everything is read: the loop below ends.
  onDisconnect: () => void subscriber.close(),
});
const highest = SYMBOLS.map(() => 0);
let count = 0;
for await (const { symbol, number, bid } of subscriber) {
  if (number !== count++) throw new Error(`price ${number} where ${count - 1} follows`);
  if (bid > highest[symbol]!) highest[symbol] = bid;
}
const summary = SYMBOLS.map((name, i) => `${name} ${highest[i]!.toFixed(4)}`).join(", ");
console.log(`ledger: ${count} prices, none missing; highest ${summary}`);
