// Rings at the first price over a limit. One that lags is no use as an alarm: it would rather be
// disconnected, and say so.

import { LaggedError, Subscriber } from "../../mod.ts";
import { price, TOPIC } from "./price.ts";

const subscriber = await Subscriber.open(TOPIC, {
  codec: price,
  onLag: "disconnect",
  onDisconnect: (_, reason) => void (reason !== "lagged" && subscriber.close()),
});
let count = 0;
let alarms = 0;
try {
  for await (const { bid } of subscriber) {
    count++;
    if (bid > 4.1) alarms++;
  }
  console.log(`alarm: watched ${count} prices, ${alarms} were over 4.1`);
} catch (error) {
  if (!(error instanceof LaggedError)) throw error;
  console.log(`alarm: too slow, disconnected after ${count} prices`);
} finally {
  await subscriber.close();
}
