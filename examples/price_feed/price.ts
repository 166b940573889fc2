// What crosses: a price, as 24 bytes.

import { f64, struct, u32 } from "../../mod.ts";

export const TOPIC = "prices";
export const SYMBOLS = ["EURUSD", "USDJPY", "GBPUSD", "AUDUSD"];

/** `symbol` is an index into {@linkcode SYMBOLS}. */
export const price = struct({ symbol: u32, number: u32, bid: f64, ask: f64 });
