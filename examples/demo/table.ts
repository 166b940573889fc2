// The table at the end: one row per pair of runtimes.

import { Table } from "console-table-printer";
import process from "node:process";
import type { Latency, Measurement } from "./measure.ts";

export interface Pair extends Measurement {
  server: string;
  client: string;
}

export function printTable(pairs: Pair[]): void {
  const table = new Table({
    shouldDisableColors: process.stdout.isTTY !== true,
    columns: [
      { name: "client → server", alignment: "left" },
      { name: "calls", alignment: "right" },
      { name: "blocking", alignment: "right", color: "green" },
      { name: "awaited", alignment: "right", color: "green" },
      { name: "Unix socket", alignment: "right" },
      { name: "faster", alignment: "right", color: "green" },
      { name: "MB/s", alignment: "right", color: "green" },
      { name: "by socket", alignment: "right" },
    ],
  });
  for (const pair of pairs) {
    const { awaited, blocking, socket } = pair;
    table.addRow({
      "client → server": `${pair.client} → ${pair.server}`,
      "calls": pair.calls.toLocaleString("en"),
      "blocking": latency(blocking),
      "awaited": latency(awaited),
      "Unix socket": latency(socket),
      "faster": `${times(socket, blocking)}, ${times(socket, awaited)}`,
      "MB/s": pair.megabytesPerSecond.toFixed(0),
      "by socket": pair.socketMegabytesPerSecond.toFixed(0),
    });
  }
  table.printTable();
}

function latency({ p50, p99 }: Latency): string {
  return `${p50.toFixed(1)} / ${p99.toFixed(1).padStart(5)}`;
}

function times(peer: Latency, own: Latency): string {
  return `${(peer.p50 / own.p50).toFixed(1)}×`;
}
