// What the native library meets on real machines: caches of all kinds, read-only folders, an empty
// environment. In a project of each runtime, installed from the packed files.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { filesIn, installAll, type Installed, notLinux } from "./installed.ts";
import { cantMount, Mount } from "./mount.ts";
import { startRegistries } from "./registries.ts";
import { notHere, Sandbox } from "./sandbox.ts";

const registries = await startRegistries();
const sandbox = new Sandbox(registries);
after(async () => {
  sandbox[Symbol.dispose]();
  await registries[Symbol.asyncDispose]();
});
const projects: Installed[] = await installAll(sandbox);

/** Of the environment of a sandbox, what Deno needs to find the modules that it has. */
function bare({ isDeno }: Installed): Record<string, string | undefined> {
  const none = Object.fromEntries(Object.keys(sandbox.env).map((name) => [name, undefined]));
  if (!isDeno) return none;
  const { JSR_URL, NPM_CONFIG_REGISTRY } = sandbox.env;
  return { ...none, JSR_URL, NPM_CONFIG_REGISTRY };
}

/** A folder that isn't there yet. */
let made = 0;
const newFolder = () => path.join(sandbox.folder, `folder-${made++}`);

for (const project of projects) {
  const situation = (
    name: string,
    task: () => Promise<void>,
    skip: string | false = notHere,
  ) => test(`${project.way}: ${name}`, { skip }, task);

  situation("the library is unpacked into the cache that is named once", async () => {
    const CAUSEWAY_CACHE = newFolder();
    const first = await project.probe({ CAUSEWAY_CACHE });
    const files = filesIn(CAUSEWAY_CACHE);
    assert.equal(files.length, 1, String(files));
    assert.deepEqual(first, { sum: 3, library: files[0] });
    const before = fs.statSync(files[0]!).ino;
    assert.deepEqual(await project.probe({ CAUSEWAY_CACHE }), first);
    assert.equal(fs.statSync(files[0]!).ino, before);
  }, notHere || notLinux);

  situation("on Linux it is loaded from memory, and nothing is written", async () => {
    const { library } = await project.probe();
    assert.equal(library, "memory");
    assert.ok(!fs.existsSync(path.join(sandbox.home, ".cache/causeway")));
  }, notHere || notLinux);

  situation("a damaged file in the cache is replaced", async () => {
    const CAUSEWAY_CACHE = newFolder();
    const { library } = await project.probe({ CAUSEWAY_CACHE });
    const whole = fs.readFileSync(library!);
    const flipped = Buffer.from(whole);
    flipped[flipped.length >> 1]! ^= 1;
    for (const damaged of [flipped, whole.subarray(0, 100), Buffer.alloc(0)]) {
      fs.writeFileSync(library!, damaged);
      assert.deepEqual(await project.probe({ CAUSEWAY_CACHE }), { sum: 3, library });
      assert.deepEqual(fs.readFileSync(library!), whole);
    }
  }, notHere || notLinux);

  situation("without any variable, as in a container without a home", async () => {
    const probed = await project.probe(bare(project));
    assert.deepEqual(probed, { sum: 3, library: "memory" });
  }, notHere || notLinux);

  situation("a home without room for a cache", async () => {
    const HOME = newFolder();
    fs.mkdirSync(HOME);
    fs.writeFileSync(path.join(HOME, ".cache"), "no folder");
    const probed = await project.probe({ ...bare(project), HOME });
    assert.deepEqual(probed, { sum: 3, library: "memory" });
  }, notHere || notLinux);

  situation("a cache that others may write is not trusted", async () => {
    const XDG_CACHE_HOME = newFolder();
    fs.mkdirSync(path.join(XDG_CACHE_HOME, "causeway"), { recursive: true });
    fs.chmodSync(path.join(XDG_CACHE_HOME, "causeway"), 0o777);
    const probed = await project.probe({ XDG_CACHE_HOME });
    assert.deepEqual(probed, { sum: 3, library: "memory" });
  }, notHere || notLinux);

  situation("CAUSEWAY_CACHE is a file", async () => {
    const CAUSEWAY_CACHE = newFolder();
    fs.writeFileSync(CAUSEWAY_CACHE, "no folder");
    const { error, code, message } = await project.probe({ CAUSEWAY_CACHE });
    assert.equal(`${error} ${code}`, "LibraryError LIBRARY");
    assert.match(message!, /can't load the native library for \S+: \/.*folder-\d+: .*directory/);
    assert.match(message!, /CAUSEWAY_CACHE/);
  });

  situation("CAUSEWAY_CACHE is full", async () => {
    const CAUSEWAY_CACHE = newFolder();
    using _mount = Mount.memory(CAUSEWAY_CACHE, "size=8k");
    const { error, code, message } = await project.probe({ CAUSEWAY_CACHE });
    assert.equal(`${error} ${code}`, "LibraryError LIBRARY");
    assert.match(message!, /folder-\d+: .*[Nn]o space left/);
    assert.deepEqual(filesIn(CAUSEWAY_CACHE), [], "half of a library is left");
  }, notHere || cantMount);

  situation("CAUSEWAY_CACHE allows no executable code", async () => {
    const CAUSEWAY_CACHE = newFolder();
    using _mount = Mount.memory(CAUSEWAY_CACHE, "size=1m,noexec");
    const { error, message } = await project.probe({ CAUSEWAY_CACHE });
    assert.equal(error, "LibraryError");
    assert.match(message!, /folder-\d+: .*(map segment|not permitted)/);
    assert.match(message!, /that allows executable code/);
  }, notHere || cantMount);

  situation("a home that allows no executable code", async () => {
    const XDG_CACHE_HOME = newFolder();
    using _mount = Mount.memory(XDG_CACHE_HOME, "size=1m,noexec");
    assert.deepEqual(await project.probe({ XDG_CACHE_HOME }), { sum: 3, library: "memory" });
  }, notHere || cantMount);

  situation("a read-only project in a read-only home", async () => {
    using _project = Mount.readOnly(project.folder);
    using _home = Mount.readOnly(sandbox.home);
    const probed = await project.probe();
    assert.equal(probed.sum, 3, JSON.stringify(probed));
  }, notHere || cantMount);

  situation("folders with odd names, and relative ones", async () => {
    for (const name of ["a b", "ünï çödé 路", "50%25 #1?", 'it\'s "quoted" \\\\ $HOME']) {
      const CAUSEWAY_CACHE = path.join(newFolder(), name);
      const { sum, library } = await project.probe({ CAUSEWAY_CACHE });
      assert.equal(sum, 3, name);
      // The system spells some characters in another way there.
      assert.equal(path.basename(library!), path.basename(filesIn(CAUSEWAY_CACHE)[0]!), name);
    }
    const relative = await project.probe({ CAUSEWAY_CACHE: "relative/cache" });
    assert.equal(relative.sum, 3, JSON.stringify(relative));
    assert.equal(filesIn(path.join(project.folder, "relative/cache")).length, 1);
  }, notHere || notLinux);

  situation("a project in a folder with an odd name", async () => {
    const folder = path.join(newFolder(), "ünï çödé 50%25 #1");
    fs.cpSync(project.folder, folder, { recursive: true, verbatimSymlinks: true });
    const command = project.command().map((part) => part.replace(project.folder, folder));
    const probed = await project.probe({}, { command });
    assert.equal(probed.sum, 3, JSON.stringify(probed));
  });

  situation("a cache that is a link is not trusted", async () => {
    const XDG_CACHE_HOME = newFolder();
    fs.mkdirSync(XDG_CACHE_HOME);
    fs.symlinkSync(sandbox.folderNamed("elsewhere"), path.join(XDG_CACHE_HOME, "causeway"));
    assert.deepEqual(await project.probe({ XDG_CACHE_HOME }), { sum: 3, library: "memory" });
    assert.deepEqual(filesIn(path.join(sandbox.folder, "elsewhere")), []);
  }, notHere || notLinux);

  situation("CAUSEWAY_LIBRARY", async () => {
    const { library } = await project.probe({ CAUSEWAY_CACHE: newFolder() });
    const CAUSEWAY_LIBRARY = path.join(sandbox.folderNamed("mine"), "libcauseway-mine.so");
    fs.copyFileSync(library!, CAUSEWAY_LIBRARY);
    assert.equal((await project.probe({ CAUSEWAY_LIBRARY })).library, CAUSEWAY_LIBRARY);
    const missing = await project.probe({ CAUSEWAY_LIBRARY: "/nowhere/lib.so" });
    assert.equal(missing.error, "LibraryError");
    assert.match(missing.message!, /\/nowhere\/lib\.so \(named by CAUSEWAY_LIBRARY\)/);
  }, notHere || notLinux);
}

test("20 processes unpack it at once", { skip: notHere || notLinux }, async () => {
  for (let round = 0; round < 3; round++) {
    const CAUSEWAY_CACHE = newFolder();
    const probes = Array.from(
      { length: 20 },
      (_, index) => projects[(index + round) % projects.length]!.probe({ CAUSEWAY_CACHE }),
    );
    const all = await Promise.all(probes);
    const files = filesIn(CAUSEWAY_CACHE);
    assert.equal(files.length, 1, String(files));
    for (const probed of all) assert.deepEqual(probed, { sum: 3, library: files[0] });
  }
});
