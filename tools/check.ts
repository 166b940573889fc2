// npm run check: format, lint, types, layers, and what no tool knows of. One line each, and the
// whole output of what fails.

import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { agreedVersion } from "./pack/agreement.ts";
import { run } from "./process.ts";
import { deno, node, root } from "./toolchain.mjs";

const sources = ["mod.ts", "src", "tools", "tests", "bench", "examples"].filter(exists);
const published = ["mod.ts", "src"].filter(exists);
const others = sources.filter((name) => !published.includes(name));

const depcruise = "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs";

const checks: Record<string, () => Promise<string>> = {
  "format": () => succeeds(deno, "fmt", "--check"),
  "lint src": () => succeeds(deno, "lint", "--rules-tags=recommended,jsr", ...published),
  "lint the rest": () => succeeds(deno, "lint", "--rules-tags=recommended", ...others),
  "types": () => succeeds(node, "tools/types.ts"),
  "types in Deno": () => succeeds(deno, "check", "--quiet", ...published),
  "JSR package": () => succeeds(deno, "publish", "--dry-run", "--allow-dirty"),
  "layers": () =>
    succeeds(node, depcruise, "--config", ".dependency-cruiser.mjs", "-T", "err", ...sources),
  "house rules": houseRules,
};

function exists(name: string): boolean {
  return fs.existsSync(path.join(root, name));
}

/** What went wrong, or nothing. */
async function succeeds(...command: string[]): Promise<string> {
  const { code, output } = await run(command, { env: { NO_COLOR: "1" }, limit: 120 });
  return code === 0 ? "" : output || `exit code ${code}`;
}

/** Which files must not contain what, and why. */
const rules: { files: RegExp; forbidden: RegExp; why: string }[] = [
  {
    files: /^src\/(?!platform\/).*\.ts$/,
    forbidden: /^\s*declare (const|let|var|function|global|namespace)\b/m,
    why: "only src/platform may name what just one runtime has",
  },
  {
    files: /^src\/(?!timers\.ts$).*\.ts$/,
    forbidden:
      /^(?!\s*(?:\*|\/[/*])).*(?<![\w.#`])(?:(?:set|clear)(?:Timeout|Interval|Immediate)\(|queueMicrotask\(|performance\.now\()/m,
    why: "test frameworks replace it; src/timers.ts has the runtime's own",
  },
  {
    files: /^src\/(?!options\.ts$).*\.ts$/,
    forbidden: /^(?!\s*(?:\*|\/[/*])).*\bString\(/m,
    why: "a peer's value can take for ever to become text; use show() or textOf()",
  },
  {
    files: /^tests\/.*\.ts$/,
    forbidden: /\bt\.skip\(/,
    why: "Deno counts t.skip() as passed; use the option { skip: reason }",
  },
  {
    files: /^tests\/.*\.ts$/,
    forbidden: /\bonly: true|\b(test|it|describe)\.only\(/,
    why: "would leave the other tests out",
  },
  {
    files: /^(package|bun|deno).*lock/,
    forbidden: /"resolved": "http|https?:\/\/[^"]*registry/,
    why: "the lock file must work with any registry",
  },
];

async function houseRules(): Promise<string> {
  const listed = await run(["git", "ls-files", "--cached", "--others", "--exclude-standard"]);
  const files = listed.code === 0 ? listed.output.trim().split("\n").filter(exists) : [];
  const broken = files.flatMap((file) => {
    const applying = rules.filter((rule) => rule.files.test(file));
    if (applying.length === 0) return [];
    const text = fs.readFileSync(path.join(root, file), "utf8");
    return applying.filter((rule) => rule.forbidden.test(text)).map((rule) =>
      `${file}: ${rule.forbidden.exec(text)?.[0].trim()}: ${rule.why}`
    );
  });
  try {
    agreedVersion();
  } catch (error) {
    broken.push((error as Error).message);
  }
  return [...broken, ...unlocked()].join("\n");
}

/**
 * Platform packages the lock file leaves out, as npm does when a registry mirror lacks them.
 * `npm ci` refuses such a lock file on every machine.
 */
function unlocked(): string[] {
  type Entry = { optionalDependencies?: Record<string, string> };
  const text = fs.readFileSync(path.join(root, "package-lock.json"), "utf8");
  const packages: Record<string, Entry> = JSON.parse(text).packages;
  return Object.entries(packages).flatMap(([from, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !(`node_modules/${name}` in packages))
      .map((name) => `package-lock.json: no ${name}, which ${from || "package.json"} wants`)
  );
}

let failed = 0;
const queue = Object.entries(checks);
const worker = async () => {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [name, check] = next;
    const started = performance.now();
    const problem = await check();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${problem ? "FAIL" : "ok  "} ${name.padEnd(14)} ${seconds} s`);
    if (problem) console.log(problem.trimEnd().replace(/^/gm, "     | "));
    if (problem) failed++;
  }
};
await Promise.all([worker(), worker()]);
const total = Object.keys(checks).length;
console.log(`\n${total - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
