// Publishes prices that wander.
//
//     feed.ts <prices> <subscribers>

import process from "node:process";
import { Publisher } from "../../mod.ts";
import { price, SYMBOLS, TOPIC } from "./price.ts";

const [prices = "200000", subscribers = "3"] = process.argv.slice(2);
const count = Number(prices);

await using publisher = await Publisher.open(TOPIC, {
  codec: price,
  capacity: 64 << 10,
  onDisconnect: (_, reason) => console.log(`feed: a subscriber left (${reason})`),
});
await publisher.ready(Number(subscribers));
const middle = SYMBOLS.map((_, i) => 1 + i);
for (let number = 0; number < count; number++) {
  const symbol = number % SYMBOLS.length;
  const bid = middle[symbol]! *= 1 + (Math.random() - 0.5) / 1000;
  // Waits only if the ledger, which must have every price, is behind.
  await publisher.publish({ symbol, number, bid, ask: bid * 1.0001 });
  if ((number + 1) % (count / 4) === 0) console.log(`feed: ${number + 1} prices published`);
}
console.log(`feed: waited ${publisher.stats.waits} times for the ledger`);
