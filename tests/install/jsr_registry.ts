// A JSR registry on this machine: takes what `deno publish` uploads and serves exactly that, in the
// way that the public one does: a list of versions, a manifest with checksums, and files that never
// change.

import { createHash } from "node:crypto";
import { type Asked, HttpService } from "./http_service.ts";
import { RELEASED } from "./npm_registry.ts";
import { readTar } from "./tar.ts";

interface Release {
  exports: Record<string, string>;
  files: Map<string, Buffer>;
}

const TYPES: Record<string, string> = {
  ts: "text/typescript; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/markdown; charset=utf-8",
};

export class JsrRegistry extends HttpService {
  /** By `@scope/name`, then version. */
  readonly #packages = new Map<string, Map<string, Release>>();
  /** The last archive that was uploaded. */
  uploaded: Buffer | undefined;

  /** Takes an archive as the command line uploads it. */
  publish(name: string, version: string, archive: Buffer, config = "deno.json"): void {
    const files = readTar(archive);
    const settings = JSON.parse(files.get(config)!.toString("utf8"));
    if (settings.name !== name || settings.version !== version) {
      throw new Error(`${config} says ${settings.name}@${settings.version}`);
    }
    const { exports } = settings;
    const versions = this.#packages.get(name) ?? new Map<string, Release>();
    this.#packages.set(
      name,
      versions.set(version, {
        exports: typeof exports === "string" ? { ".": exports } : exports,
        files,
      }),
    );
  }

  /** The files of a release. */
  files(name: string, version: string): ReadonlyMap<string, Buffer> {
    return this.#packages.get(name)!.get(version)!.files;
  }

  protected override answer(asked: Asked): Response {
    const { pathname, searchParams } = new URL(asked.url, this.url);
    if (pathname.startsWith("/api/")) {
      return this.#manage(asked, pathname.slice(5), searchParams);
    }
    const [, name, rest] = /^\/(@[^/]+\/[^/]+)\/(.+)$/.exec(pathname) ?? [];
    const versions = this.#packages.get(name ?? "");
    if (versions === undefined) return new Response("no such package", { status: 404 });
    if (rest === "meta.json") return versionList(name!, versions);
    const [, listed] = /^([^/]+)_meta\.json$/.exec(rest!) ?? [];
    if (listed !== undefined && versions.has(listed)) return manifest(versions.get(listed)!);
    const [, version, file] = /^([^/]+)\/(.+)$/.exec(rest!) ?? [];
    const content = versions.get(version ?? "")?.files.get(decodeURIComponent(file ?? ""));
    if (content === undefined) return new Response("no such file", { status: 404 });
    const type = TYPES[file!.split(".").at(-1)!] ?? "text/plain; charset=utf-8";
    return new Response(new Uint8Array(content), { headers: { ...LASTING, "content-type": type } });
  }

  /** What `deno publish --token` asks of the registry. */
  #manage({ method, headers, body }: Asked, path: string, query: URLSearchParams): Response {
    const [, scope, name, version] =
      /^scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/.exec(path) ?? [];
    if (name === undefined) return failure(404, "notFound", `there is no ${path}`);
    if (version === undefined) return Response.json({ scope, name });
    const full = `@${scope}/${name}`;
    const known = this.#packages.get(full)?.has(version);
    if (method === "GET") {
      return known ? Response.json({ version }) : failure(404, "notFound", "no such version");
    }
    if (!headers.authorization) return failure(401, "missingAuthentication", "who are you?");
    this.publish(full, version, body, query.get("config")!.replace(/^\//, ""));
    this.uploaded = body;
    return Response.json({ id: "1", status: "success", error: null });
  }
}

const LASTING = {
  "cache-control": "public, max-age=31536000, immutable",
  "access-control-allow-origin": "*",
};

function failure(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status });
}

function versionList(name: string, versions: ReadonlyMap<string, Release>): Response {
  const [scope, short] = name.slice(1).split("/");
  const entries = [...versions.keys()].map((version) => [version, { createdAt: RELEASED }]);
  const latest = [...versions.keys()].at(-1);
  const list = { scope, name: short, latest, versions: Object.fromEntries(entries) };
  return Response.json(list, { headers: { "cache-control": "no-cache" } });
}

/** Without the graph of modules that the public one adds: Deno reads the modules instead. */
function manifest({ exports, files }: Release): Response {
  const entries = [...files].map(([file, content]) => [`/${file}`, {
    size: content.length,
    checksum: `sha256-${createHash("sha256").update(content).digest("hex")}`,
  }]);
  return Response.json({ manifest: Object.fromEntries(entries), exports }, { headers: LASTING });
}
