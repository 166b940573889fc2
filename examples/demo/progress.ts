// Steps, each a line. A terminal sees the line move; elsewhere it is printed when it is done.

import process from "node:process";

const WIDTH = 24;

export class Step {
  readonly #title: string;
  readonly #isLive = process.stdout.isTTY === true;

  constructor(title: string) {
    this.#title = title;
    this.update(0);
  }

  update(share: number): void {
    if (!this.#isLive) return;
    const full = Math.round(WIDTH * Math.min(1, share));
    const bar = "━".repeat(full) + "─".repeat(WIDTH - full);
    process.stdout.write(`\r\x1b[K  ${bar} ${this.#title}`);
  }

  done(result: string): void {
    process.stdout.write(`${this.#isLive ? "\r\x1b[K" : ""}  ${result}\n`);
  }
}

/** Joins the progress of several into one. */
export function together(parts: number, step: Step): ((share: number) => void)[] {
  const shares = new Array<number>(parts).fill(0);
  return shares.map((_, part) => (share) => {
    shares[part] = share;
    step.update(shares.reduce((sum, one) => sum + one, 0) / parts);
  });
}
