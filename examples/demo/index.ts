// An inverted index: from identifiers to the places where they are.

import type { Place } from "./api.ts";

const IDENTIFIER = /[A-Za-z_$][\w$]*/g;

/** The identifiers of a line. */
export function identifiers(line: string): string[] {
  return line.match(IDENTIFIER) ?? [];
}

export class Index {
  readonly #texts = new Map<string, Uint8Array>();
  readonly #places = new Map<string, Place[]>();

  /** Adds a file and returns how many lines it has. */
  add(file: string, text: Uint8Array): number {
    this.#texts.set(file, text);
    const lines = new TextDecoder().decode(text).split("\n");
    lines.forEach((line, index) => {
      for (const identifier of new Set(identifiers(line))) {
        this.#addPlace(identifier, file, index + 1);
      }
    });
    return lines.length;
  }

  #addPlace(identifier: string, file: string, line: number): void {
    let places = this.#places.get(identifier);
    if (places === undefined) this.#places.set(identifier, places = []);
    const last = places.at(-1);
    if (last?.file === file) last.lines.push(line);
    else places.push({ file, lines: [line] });
  }

  text(file: string): Uint8Array {
    const text = this.#texts.get(file);
    if (text === undefined) throw new Error(`${file} was never added`);
    return text;
  }

  find(identifier: string): Place[] {
    return this.#places.get(identifier) ?? [];
  }

  count(identifier: string): number {
    return this.find(identifier).reduce((sum, place) => sum + place.lines.length, 0);
  }
}
