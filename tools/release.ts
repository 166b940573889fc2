// npm run release [-- --skip-tests] [--rehearse]: all of a release but the upload.
//
// Stops at the first thing that isn't in order. What is to be uploaded is then in build/release/,
// with checksums; the commands that upload it are printed last. --rehearse goes on where only the
// moment is wrong: changes that aren't committed, a changelog without a date, a tag that isn't
// there.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { targets } from "./embed.mjs";
import { agreedVersion, isDated } from "./pack/agreement.ts";
import { lintCommands } from "./pack/lint.ts";
import { makePackage } from "./pack/package.ts";
import { run } from "./process.ts";
import { deno, node, root } from "./toolchain.mjs";

const { values: options } = parseArgs({
  options: {
    "skip-tests": { type: "boolean", default: false },
    rehearse: { type: "boolean", default: false },
  },
});

const folder = path.join(root, "build/release");
/** What a rehearsal has let pass. */
const passedOver: string[] = [];

try {
  await main();
} catch (error) {
  console.error(`FAIL ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const version = agreedVersion();
  console.log(`Releasing ${version}`);
  await step("nothing that isn't committed", cleanTree);
  await step("a dated entry in CHANGELOG.md", () => {
    if (!isDated()) notYet(`the entry of ${version} in CHANGELOG.md has no date`);
  });
  await step("npm run check", () => succeeds(60, node, "tools/run.mjs", "check"));
  await test();

  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  let file = "";
  await step("npm package", async () => {
    file = await makePackage(folder);
  });
  await step("publint and are-the-types-wrong", () => lint(file));
  const flags = passedOver.length > 0 ? ["--allow-dirty"] : [];
  await step("JSR package", () => succeeds(5, deno, "publish", "--dry-run", ...flags));
  fs.rmSync(path.join(folder, "package"), { recursive: true });
  writeManifest(version, file);
  conclude(version, file);
}

async function step(what: string, task: () => Promise<void> | void): Promise<void> {
  const started = performance.now();
  await task();
  console.log(`ok   ${what.padEnd(34)} ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** Whatever only the moment is to blame for. */
function notYet(problem: string): void {
  if (!options.rehearse) throw new Error(problem);
  passedOver.push(problem);
}

async function succeeds(minutes: number, ...command: string[]): Promise<void> {
  const { code, output } = await run(command, { env: { NO_COLOR: "1" }, limit: minutes * 60 });
  if (code === 0) return;
  const said = output.trimEnd().split("\n").slice(-60).join("\n");
  throw new Error(`${command.slice(1).join(" ")} ended with ${code}:\n${said}`);
}

async function cleanTree(): Promise<void> {
  const { code, output } = await run(["git", "status", "--porcelain"]);
  if (code !== 0) throw new Error(`git status: ${output}`);
  if (output !== "") notYet(`there are changes that aren't committed:\n${output.trimEnd()}`);
}

async function test(): Promise<void> {
  if (options["skip-tests"]) {
    console.log("\n*** THE TESTS WERE NOT RUN: --skip-tests. Run .ci/run before you upload. ***\n");
    return;
  }
  await step("npm test", () => succeeds(30, node, "tools/run.mjs", "test"));
  // That two builds of the libraries are the same is one of these.
  await step("npm run test:long", () => succeeds(90, node, "tools/run.mjs", "test", "--long"));
}

async function lint(file: string): Promise<void> {
  const unpacked = path.join(folder, "package");
  const { publint, attw } = lintCommands(unpacked, file);
  await succeeds(5, ...publint);
  await succeeds(5, ...attw);
}

/** Says which native libraries are inside, and gives everything a hash. */
function writeManifest(version: string, file: string): void {
  const libraries = targets().map((target) => {
    const directory = path.join(root, "build/native", target);
    const [name] = fs.readdirSync(directory) as [string];
    const bytes = fs.readFileSync(path.join(directory, name));
    return { target, file: name, bytes: bytes.length, sha256: sha256(bytes) };
  });
  const manifest = path.join(folder, "libraries.json");
  fs.writeFileSync(manifest, `${JSON.stringify({ version, libraries }, null, 2)}\n`);
  const sums = [file, manifest].map((each) =>
    `${sha256(fs.readFileSync(each))}  ${path.basename(each)}\n`
  );
  fs.writeFileSync(path.join(folder, "SHA256SUMS"), sums.join(""));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function conclude(version: string, file: string): void {
  const names = fs.readdirSync(folder).map((name) => `  build/release/${name}`);
  console.log(`\nMade:\n${names.join("\n")}`);
  if (passedOver.length > 0) {
    console.log(`\nThis was a rehearsal. Before a release:\n  - ${passedOver.join("\n  - ")}`);
    return;
  }
  console.log(`
To release, push the tag; .github/workflows/release.yml does the same again and uploads:

  git tag -s v${version} && git push origin v${version}

Or by hand, which leaves no record of where the files were built:

  npm publish ${path.relative(root, file)} --access public
  npx deno publish`);
}
