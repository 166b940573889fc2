// A program whose variables lead into another user's folders, who swaps what is there while the
// library is looked at and loaded: that user's code must not run as us. With a real second user.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SHIM_ABI } from "../../src/platform/binding.ts";
import type { Host } from "../../src/platform/host.ts";
import { openLibrary } from "../../src/platform/library.ts";
import { nodeHost } from "../../src/platform/node_host.ts";
import { run, runtimeCommand } from "../support/process.ts";
import { notRoot, Scratch } from "../support/scratch.ts";

const OTHER = 65534; // nobody
const skip = notRoot || (hasSetpriv() ? false : "needs setpriv");
const asOther = ["setpriv", `--reuid=${OTHER}`, `--regid=${OTHER}`, "--clear-groups"] as const;

function hasSetpriv(): boolean {
  try {
    execFileSync("setpriv", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function runAsOther(script: string): void {
  execFileSync(asOther[0], [...asOther.slice(1), "sh", "-c", script]);
}

/** A home of the other user, below a folder that all can enter. */
class OtherHome implements Disposable {
  readonly #scratch = new Scratch("/tmp");
  readonly path: string = this.#scratch.at("home");

  constructor() {
    fs.chmodSync(this.#scratch.path, 0o755);
    fs.mkdirSync(this.path);
    fs.chownSync(this.path, OTHER, OTHER);
  }

  /** A folder in it that holds foreign files of these names. */
  evil(names: string[]): string {
    const folder = path.join(this.path, "evil");
    runAsOther(
      `mkdir -p ${folder}; cd ${folder}; for f in ${names.join(" ")}; do echo evil > $f; done`,
    );
    return folder;
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}

const evilBytes = "evil\n";

/** A system without files in memory; what is loaded is read, after `before` has been at it. */
function hostWith(variables: Record<string, string>, before: (file: string) => void): {
  host: Host;
  loaded: string[];
} {
  const loaded: string[] = [];
  const host: Host = {
    ...nodeHost(),
    variable: (name) => variables[name],
    open(file, symbols) {
      if ("memfd_create" in symbols) throw new Error("there is none");
      if ("gnu_get_libc_version" in symbols) return {};
      before(file);
      loaded.push(fs.readFileSync(file, "latin1"));
      return { cw_abi: () => SHIM_ABI };
    },
  };
  return { host, loaded };
}

/** The other user puts a folder of its own in the place of the one that holds the file. */
function swapFolderOf(file: string, evil: string): void {
  const folder = path.dirname(file);
  try {
    runAsOther(
      `mv -T ${folder} ${folder}.was && mv -T ${evil} ${folder} && cp ${folder}/lib ${file}`,
    );
  } catch {
    // It can't: that is what the tests are about.
  }
}

test("a cache whose parents are another user's isn't used", {
  skip,
}, async () => {
  for (const variable of ["HOME", "XDG_CACHE_HOME", "TMPDIR", "CAUSEWAY_CACHE"]) {
    using home = new OtherHome();
    const evil = home.evil(["lib"]);
    const folder = variable === "CAUSEWAY_CACHE" ? path.join(home.path, "causeway") : home.path;
    const { host, loaded } = hostWith({ [variable]: folder }, (file) => swapFolderOf(file, evil));
    await assert.rejects(openLibrary(host), {
      name: "LibraryError",
      message: new RegExp(`${home.path}: it belongs to another user.*CAUSEWAY_CACHE`),
    }, `${variable}: loaded ${loaded.map((text) => text === evilBytes ? "evil" : "ours")}`);
    // Nothing of ours is left there, either.
    assert.deepEqual(fs.readdirSync(home.path), ["evil"]);
  }
});

test("a named library that another user can swap isn't loaded", { skip }, async () => {
  using home = new OtherHome();
  const evil = home.evil(["lib"]);
  const ours = path.join(home.path, "mine");
  fs.mkdirSync(ours);
  fs.writeFileSync(path.join(ours, "lib.so"), "ours");
  using own = new Scratch("/tmp");
  fs.symlinkSync(ours, own.at("link"));
  fs.writeFileSync(own.at("open.so"), "ours");
  fs.chmodSync(own.at("open.so"), 0o666);
  fs.copyFileSync(own.at("open.so"), own.at("given.so"));
  fs.chownSync(own.at("given.so"), OTHER, OTHER);
  const belongs = /belongs to another user/;
  for (
    const [file, reason] of [
      [path.join(ours, "lib.so"), belongs],
      [path.join(evil, "lib"), belongs],
      [own.at("link/lib.so"), belongs],
      [own.at("given.so"), belongs],
      [own.at("open.so"), /other users can write there/],
    ] as const
  ) {
    const { host, loaded } = hostWith(
      { CAUSEWAY_LIBRARY: file },
      (found) => swapFolderOf(found, evil),
    );
    await assert.rejects(openLibrary(host), { name: "LibraryError", message: reason }, file);
    assert.deepEqual(loaded, [], file);
  }
});

test("with another user's HOME, who swaps its folders, the library is ours", {
  skip: skip || (process.platform !== "linux" && "Linux has files in memory"),
}, async () => {
  using home = new OtherHome();
  const cache = path.join(home.path, ".cache");
  runAsOther(`mkdir ${cache}`);
  const script = `cd ${cache}; mkdir evil; while :; do mv -T causeway was 2>/dev/null; ` +
    "mv -T evil causeway; mv -T causeway evil; mv -T was causeway 2>/dev/null; done";
  const swapper = spawn(asOther[0], [...asOther.slice(1), "sh", "-c", script], { stdio: "ignore" });
  const ended = new Promise((resolve) => swapper.once("exit", resolve));
  try {
    const program = new URL("./library_program.ts", import.meta.url);
    using own = new Scratch();
    const env = {
      ...{ HOME: home.path, DENO_DIR: own.at("deno"), XDG_CACHE_HOME: undefined },
      ...{ CAUSEWAY_LIBRARY: undefined, CAUSEWAY_CACHE: undefined, TMPDIR: undefined },
    };
    for (let round = 0; round < 5; round++) {
      const said = await run(runtimeCommand(program), env);
      assert.equal(said.stdout.trim(), `memory ${SHIM_ABI}`, said.stderr);
    }
  } finally {
    swapper.kill("SIGKILL");
    await ended;
  }
});
