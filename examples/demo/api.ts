// What the processes of the demonstration say to each other.

import type { Measurement } from "./measure.ts";

/** What a server offers: an index of text files. */
export interface SearchApi {
  /** Takes a file in and acknowledges how many lines it has. */
  add(file: string, text: Uint8Array): { lines: number };
  /** Gives a file back. */
  read(file: string): Uint8Array;
  /** Where an identifier is. */
  find(identifier: string): Place[];
  /** On how many lines an identifier is. */
  count(identifier: string): number;
}

/** A file, and the lines of it, counted from 1. */
export interface Place {
  file: string;
  lines: number[];
}

/** What main.ts asks of a client. */
export interface ClientApi {
  /** Connects to a server, and to the same on a Unix socket. */
  use(server: string, socket: string): Promise<void>;
  /** Streams all files in; returns their bytes. */
  load(onProgress: (share: number) => void): Promise<number>;
  /** Asks where identifiers are and compares the answers with the files themselves. */
  search(identifiers: number, onProgress: (share: number) => void): Promise<number>;
  measure(): Promise<Measurement>;
}
