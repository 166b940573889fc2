// The table of payloads: which cells there are, which of them a run asks, and their rows.

import {
  gigabytesPerSecond,
  LATENCY,
  microseconds,
  milliseconds,
  thousandPerSecond,
} from "./question.ts";
import type { Row, Setup, Target } from "./question.ts";

export const API = ["typed", "bytes"] as const;
export const DIRECTIONS = ["argument", "result", "both"] as const;
export const WAYS = ["awaited", "blocking", "one-way"] as const;
const SIZES = [0, 100, 1_000, 10_000, 100_000, 1_000_000, 16_000_000, 64_000_000];
const IN_FLIGHT = [1, 4, 64];

export interface Cell {
  api: (typeof API)[number];
  size: number;
  direction: (typeof DIRECTIONS)[number];
  way: (typeof WAYS)[number];
  inFlight: number;
}

/** More bytes than these in flight would measure how the machine gives out memory. */
const MOST_IN_FLIGHT = 256_000_000;

/** A thousand echoes of 512 KiB are what some measure a library by. */
const ECHO: Cell = {
  api: "typed",
  size: 512 << 10,
  direction: "both",
  way: "awaited",
  inFlight: 1,
};

/** All there are, the two kinds of calls apart. */
export const cells: Cell[] = [...crossed().filter(isSensible), ECHO];

function crossed(): Cell[] {
  return API.flatMap((api) =>
    SIZES.flatMap((size) =>
      DIRECTIONS.flatMap((direction) =>
        WAYS.flatMap((way) =>
          IN_FLIGHT.map((inFlight): Cell => ({ api, size, direction, way, inFlight }))
        )
      )
    )
  );
}

function isSensible({ size, direction, way, inFlight }: Cell): boolean {
  return size * inFlight <= MOST_IN_FLIGHT &&
    (way === "awaited" || inFlight === 1) &&
    (way !== "one-way" || direction === "argument" && size > 0);
}

/** Does a run ask it? */
export function isAsked(cell: Cell, { quick, full }: Pick<Setup, "quick" | "full">): boolean {
  if (full || cell === ECHO) return true;
  return quick ? isQuick(cell) : isUsual(cell);
}

/** Without sizes that say little beyond their neighbours, and 64 in flight of large ones. */
function isUsual({ api, size, direction, way, inFlight }: Cell): boolean {
  if (size > 16_000_000) return false;
  if (way === "one-way") return [100, 1_000, 10_000, 1_000_000].includes(size);
  if (way === "blocking") return direction === "argument" && size !== 16_000_000;
  if (direction === "both") return inFlight === 1 && api === "typed";
  if (inFlight === 64) return direction === "argument" && size > 0 && size <= 10_000;
  return inFlight === 1 || api === "typed" && size > 0 && size < 16_000_000;
}

/** What most people's calls are: typed, with an argument or a result, one at a time. */
function isQuick({ api, size, direction, way, inFlight }: Cell): boolean {
  if (size > 16_000_000 || direction === "both" || inFlight === 64) return false;
  if (api === "bytes") {
    return way === "awaited" && inFlight === 1 && [1_000, 1_000_000].includes(size);
  }
  if (way === "one-way") return size === 1_000;
  if (way === "blocking") return direction === "argument" && [1_000, 100_000].includes(size);
  return inFlight === 1 || [1_000, 10_000].includes(size);
}

export function subjectOf(cell: Cell): string {
  const { api, size, direction, way, inFlight } = cell;
  return [
    api,
    way === "one-way" ? sizeText(size) : `${direction} ${sizeText(size)}`,
    inFlight > 1 ? `${inFlight} in flight` : way,
  ].join(", ");
}

/** A socket knows no blocking call: its awaited one is what there is. */
export function peerOf(cell: Cell): string {
  return `socket ${subjectOf(cell.way === "blocking" ? { ...cell, way: "awaited" } : cell)}`;
}

/** One call after the other is a latency, what overlaps is a rate: of calls, or of bytes if large. */
export function rowOf(cell: Cell): Row {
  const row = { asks: subjectOf(cell), subject: subjectOf(cell), peer: peerOf(cell) };
  const target = targetOf(cell);
  const judged = target === undefined ? {} : { target };
  if (cell.inFlight === 1 && cell.way !== "one-way") {
    const unit = cell.size >= ECHO.size ? milliseconds : microseconds;
    return { ...row, metrics: LATENCY, unit, ...judged };
  }
  return cell.size >= 100_000
    ? { ...row, metrics: ["bytes/s"], unit: gigabytesPerSecond, ...judged }
    : { ...row, metrics: ["calls/s"], unit: thousandPerSecond, ...judged };
}

/** Never below the socket; the design has more for typed calls, one and four at a time. */
function targetOf(cell: Cell): Target {
  const { api, size, direction, way, inFlight } = cell;
  if (cell === ECHO) return { metric: "mean", atMost: 0.5, better: 1 };
  if (api === "bytes" || way !== "awaited" || inFlight > 4) return { better: 1 };
  if (size === 1_000) return { better: 10 };
  if (size === 10_000) return { better: 6 };
  return { better: size >= 100_000 && size <= 16_000_000 && direction !== "both" ? 4 : 1 };
}

function sizeText(size: number): string {
  if (size === ECHO.size) return "512 KiB";
  if (size < 1000) return `${size} B`;
  return size < 1_000_000 ? `${size / 1000} KB` : `${size / 1_000_000} MB`;
}
