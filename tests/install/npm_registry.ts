// An npm registry on this machine: the packages it was given, and what package-lock.json pins.
//
// Package managers ask it for everything a user's project needs: `@causeway/ipc` from its packed
// file, and its dependencies in the pinned versions, fetched by npm itself from wherever npm is set
// up to fetch from.

import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { root, windows } from "../../tools/toolchain.mjs";
import { HttpService } from "./http_service.ts";
import { readTar } from "./tar.ts";

type Manifest = Record<string, unknown> & { name: string; version: string };

interface Release {
  manifest: Manifest;
  tarball: () => Promise<Buffer>;
  integrity: string | undefined;
}

interface LockEntry extends Record<string, unknown> {
  version: string;
  integrity?: string;
}

/** Tarballs of dependencies, kept between runs. */
const cache = path.join(root, "build/install/npm");

export class NpmRegistry extends HttpService {
  /** By name, then version. */
  readonly #releases = new Map<string, Map<string, Release>>();

  /** Publishes a packed file, as `npm publish <file>` would. */
  publish(tgz: string): Manifest {
    const bytes = fs.readFileSync(tgz);
    const packageJson = readTar(bytes).get("package/package.json");
    if (packageJson === undefined) throw new Error(`${tgz} has no package.json`);
    const manifest = JSON.parse(packageJson.toString("utf8")) as Manifest;
    this.#add({
      manifest,
      tarball: () => Promise.resolve(bytes),
      integrity: integrityOf(bytes),
    });
    return manifest;
  }

  /** Knows what the lock file pins, in that version only. */
  publishPinned(): void {
    const lock = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8"));
    for (const [where, entry] of Object.entries(lock.packages as Record<string, LockEntry>)) {
      const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(where) ?? [];
      if (name === undefined || this.#releases.has(name)) continue;
      const { dev: _dev, optional: _optional, integrity, ...manifest } = entry;
      this.#add({
        manifest: { name, ...manifest },
        tarball: () => fetchPinned(name, entry.version, integrity),
        integrity,
      });
    }
  }

  #add(release: Release): void {
    const { name, version } = release.manifest;
    const versions = this.#releases.get(name) ?? new Map<string, Release>();
    this.#releases.set(name, versions.set(version, release));
  }

  protected override async answer(
    { method, url }: { method: string; url: string },
  ): Promise<Response> {
    if (method !== "GET") return new Response("read only", { status: 405 });
    const [, name, version] = /^\/((?:@[^/]+\/)?[^/]+)(?:\/-\/([^/]+)\.tgz)?$/.exec(
      decodeURIComponent(url),
    ) ?? [];
    const versions = this.#releases.get(name ?? "");
    if (versions === undefined) return new Response("{}", { status: 404 });
    if (version === undefined) return Response.json(this.#packument(name!, versions));
    const release = versions.get(version);
    if (release === undefined) return new Response("no such version", { status: 404 });
    const bytes = await release.tarball();
    return new Response(new Uint8Array(bytes), {
      headers: { "content-type": "application/octet-stream" },
    });
  }

  #packument(name: string, versions: Map<string, Release>): unknown {
    const described = [...versions].map(([version, { manifest, integrity }]) => [version, {
      ...manifest,
      dist: { tarball: `${this.url}${name}/-/${version}.tgz`, integrity },
    }]);
    return {
      name,
      "dist-tags": { latest: [...versions.keys()].at(-1) },
      versions: Object.fromEntries(described),
      // Long ago: package managers may be told to wait until a release is some days old.
      time: Object.fromEntries([...versions.keys()].map((version) => [version, RELEASED])),
    };
  }
}

/** When everything here was published. */
export const RELEASED = "2025-01-01T00:00:00.000Z";

/** The tarball of a pinned package, by npm. */
async function fetchPinned(
  name: string,
  version: string,
  integrity: string | undefined,
): Promise<Buffer> {
  const file = path.join(cache, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
  if (!fs.existsSync(file)) {
    fs.mkdirSync(cache, { recursive: true });
    const scratch = fs.mkdtempSync(path.join(cache, "."));
    const args = ["pack", `${name}@${version}`, "--prefer-offline", "--loglevel=error"];
    await promisify(execFile)("npm", [...args, `--pack-destination=${scratch}`], {
      cwd: root,
      shell: windows,
    });
    const [made] = fs.readdirSync(scratch);
    fs.renameSync(path.join(scratch, made!), file);
    fs.rmdirSync(scratch);
  }
  const bytes = fs.readFileSync(file);
  if (integrity !== undefined && integrityOf(bytes) !== integrity) {
    throw new Error(`${file} isn't what package-lock.json pins`);
  }
  return bytes;
}

function integrityOf(bytes: Buffer): string {
  return `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
}
