// What peers.ts and peer_program.ts say to each other, line by line.

/** What begins the lines that a peer says to the test; others are passed through. */
export const MARK = "\u0001";

/** A line for a peer: a function to run, or an order. */
export type Order = "reset" | "leave";
