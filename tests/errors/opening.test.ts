// Whatever can be wrong when something is opened has its error, and leaves nothing behind.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { Channel, connect, json, RpcClient, RpcServer, serve } from "../../mod.ts";
import * as errors from "../../src/errors.ts";
import { connectionPages, Header, Kind, LAYOUT_VERSION } from "../../src/memory/layout.ts";
import { assertEmpty, errorOf } from "../support/api.ts";
import { until } from "../support/watchdog.ts";
import { NOBODY, notRoot, Scratch } from "../support/scratch.ts";

type ErrorClass = new (...args: never[]) => Error;

/** Every way to open something. */
const openers: Record<string, (name: string, options: object) => Promise<AsyncDisposable>> = {
  "Channel.open": (name, options) => Channel.open(name, options),
  "RpcServer.open": (name, options) => RpcServer.open(name, options),
  "serve": (name, options) => serve(name, {}, options),
  "RpcClient.open": (name, options) => RpcClient.open(name, { connectTimeout: 50, ...options }),
  "connect": (name, options) => connect(name, { connectTimeout: 50, ...options }),
};

/** Opening must fail with this error, and leave nothing. */
async function refused(
  scratch: Scratch,
  error: ErrorClass,
  open: () => Promise<AsyncDisposable>,
): Promise<Error> {
  const before = scratch.files();
  const thrown = await errorOf(open);
  assert.ok(thrown instanceof error, `${thrown.name}: ${thrown.message}`);
  assert.deepEqual(scratch.files(), before);
  return thrown;
}

for (const [what, open] of Object.entries(openers)) {
  test(`${what}: an empty name, or none`, async () => {
    using scratch = new Scratch();
    for (const name of ["", undefined, 5, "\udc00"]) {
      await refused(
        scratch,
        errors.ArgumentError,
        () => open(name as string, { directory: scratch.path }),
      );
    }
    assertEmpty(scratch);
  });

  test(`${what}: options out of range`, async () => {
    using scratch = new Scratch();
    const bad = [
      { timeout: -1 },
      { timeout: NaN },
      { timeout: "1" },
      { sendQueueBytes: -1 },
      { sendQueueBytes: 1.5 },
      { maxMessageBytes: 2 ** 31 },
      { capacity: 4095 },
      { capacity: 2048 },
      { capacity: 2 ** 31 },
      { capacity: 6144 },
      { capacity: "4096" },
    ];
    for (const options of bad) {
      const error = await refused(
        scratch,
        errors.ArgumentError,
        () => open("name", { directory: scratch.path, ...options }),
      );
      assert.match(error.message, /got|whole number|power of two/);
    }
    await refused(scratch, errors.ArgumentError, () => open("name", { directory: "" }));
    assertEmpty(scratch);
  });

  test(`${what}: an option of no known name`, async () => {
    using scratch = new Scratch();
    for (const name of ["timeOut", "capasity", "onconnect", "toString", "0"]) {
      const error = await refused(
        scratch,
        errors.ArgumentError,
        () => open("name", { directory: scratch.path, [name]: 1 }),
      );
      assert.match(
        error.message,
        new RegExp(`no option \`${name}\`; there are directory, timeout`),
      );
    }
    assertEmpty(scratch);
  });

  test(`${what}: a link instead of a directory`, async () => {
    using scratch = new Scratch();
    fs.mkdirSync(scratch.at("real"), { mode: 0o700 });
    fs.symlinkSync(scratch.at("real"), scratch.at("link"));
    const error = await refused(
      scratch,
      errors.DirectoryError,
      () => open("name", { directory: scratch.at("link") }),
    );
    assert.match(error.message, /symbolic link/);
  });

  test(`${what}: a directory that isn't there, or is a file`, async () => {
    using scratch = new Scratch();
    fs.writeFileSync(scratch.at("file"), "");
    for (const directory of [scratch.at("no", "where"), scratch.at("file"), scratch.at("file/x")]) {
      await refused(scratch, errors.DirectoryError, () => open("name", { directory }));
    }
  });

  test(`${what}: a directory that others may write`, async () => {
    using scratch = new Scratch();
    fs.mkdirSync(scratch.at("open"));
    fs.chmodSync(scratch.at("open"), 0o777);
    await refused(
      scratch,
      errors.OwnerError,
      () => open("name", { directory: scratch.at("open") }),
    );
  });

  test(`${what}: another user's directory`, { skip: notRoot }, async () => {
    using scratch = new Scratch();
    fs.mkdirSync(scratch.at("theirs"), { mode: 0o700 });
    fs.chownSync(scratch.at("theirs"), 12345, 12345);
    const error = await refused(
      scratch,
      errors.OwnerError,
      () => open("name", { directory: scratch.at("theirs") }),
    );
    assert.match(error.message, /another user/);
  });
}

test("a directory is used again after each of these", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  await errorOf(() => serve("", {}, { directory }));
  {
    await using _server = await serve("name", { one: () => 1 }, { directory });
    await using client = await connect<{ one(): number }>("name", { directory });
    assert.equal(await client.remote.one(), 1);
  }
  assertEmpty(scratch);
});

test("name taken: a server has it", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await RpcServer.open("name", { directory });
    const error = await refused(
      scratch,
      errors.NameTakenError,
      () => RpcServer.open("name", { directory }),
    );
    assert.match(error.message, /"name"/);
    await refused(scratch, errors.NameTakenError, () => serve("name", {}, { directory }));
    await using _other = await RpcServer.open("Name", { directory });
  }
  await using _again = await RpcServer.open("name", { directory });
});

test("name taken: two are on the channel", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using one = await Channel.open("name", { directory });
    await using _two = await Channel.open("name", { directory });
    await one.whenConnected();
    await refused(scratch, errors.NameTakenError, () => Channel.open("name", { directory }));
  }
  assertEmpty(scratch);
});

test("other capacity: a channel's partner, and a server that insists", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _one = await Channel.open("name", { directory, capacity: 8192 });
    const error = await refused(
      scratch,
      errors.CapacityMismatchError,
      () => Channel.open("name", { directory, capacity: 4096 }),
    );
    assert.match(error.message, /8192.*4096/);
    await using two = await Channel.open("name", { directory });
    await two.whenConnected();
  }
  {
    await using _server = await RpcServer.open("name", { directory, capacity: 8192 });
    const error = await refused(
      scratch,
      errors.CapacityMismatchError,
      () => RpcClient.open("name", { directory, capacity: 4096 }),
    );
    assert.match(error.message, /8192.*4096/);
    await using _client = await RpcClient.open("name", { directory, capacity: 8192 });
  }
  assertEmpty(scratch);
});

test("other codec", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using _server = await serve("name", {}, { directory, codec: json });
    const error = await refused(
      scratch,
      errors.CodecMismatchError,
      () => connect("name", { directory }),
    );
    assert.match(error.message, /"json".*"messagepack"/);
    await refused(scratch, errors.CodecMismatchError, () => RpcClient.open("name", { directory }));
  }
  assertEmpty(scratch);
});

test("too many connections", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  {
    await using server = await RpcServer.open("name", { directory, maxConnections: 2 });
    await using _one = await RpcClient.open("name", { directory });
    {
      await using _two = await RpcClient.open("name", { directory });
      const error = await refused(
        scratch,
        errors.ConnectionLimitError,
        () => RpcClient.open("name", { directory }),
      );
      assert.match(error.message, /2 at a time/);
      assert.equal(server.connections, 2);
    }
    await until(() => server.connections === 1, "the end of the second");
    await using _three = await RpcClient.open("name", { directory });
    for (const maxConnections of [0, 1.5, -1, NaN]) {
      await refused(
        scratch,
        errors.ArgumentError,
        () => RpcServer.open("other", { directory, maxConnections }),
      );
    }
  }
  assertEmpty(scratch);
});

test("nobody serves: a timeout that asks the right question", async () => {
  using scratch = new Scratch();
  const error = await refused(
    scratch,
    errors.TimeoutError,
    () => RpcClient.open("name", { directory: scratch.path, connectTimeout: 30 }),
  );
  assert.match(error.message, /is it running, in the same directory/);
  assertEmpty(scratch);
});

test("opening is given up by a signal", async () => {
  using scratch = new Scratch();
  const directory = scratch.path;
  const aborted = AbortSignal.abort(new RangeError("mine"));
  await refused(scratch, RangeError, () => RpcClient.open("name", { directory, signal: aborted }));
  const controller = new AbortController();
  const opening = refused(
    scratch,
    RangeError,
    () => connect("name", { directory, signal: controller.signal }),
  );
  setTimeout(() => controller.abort(new RangeError("mine")), 20);
  await opening;
  assertEmpty(scratch);
});

// --------------------------------------------------------- what others put in our way

/** Puts a segment where an opener looks for one. */
function plant(scratch: Scratch, parts: [string, string, string], kind: Kind): string {
  scratch.directory.within(parts.slice(0, 2), () => {});
  const capacity = 4096;
  const pages = kind === Kind.server ? 1 : connectionPages(capacity);
  const file = `${parts.join("/")}-${NOBODY}`;
  scratch.segment(file, { kind, pages, capacity }).close();
  return scratch.at(file);
}

function setWord(file: string, offset: number, value: number): void {
  const bytes = fs.readFileSync(file);
  bytes.writeUInt32LE(value, offset);
  fs.writeFileSync(file, bytes);
}

interface Planted {
  what: string;
  error: ErrorClass;
  skip?: string | false;
  kind?: Kind;
  change(file: string): void;
}

const planted: Planted[] = [
  { what: "wrong kind", error: errors.KindMismatchError, kind: Kind.node, change() {} },
  {
    what: "other version",
    error: errors.VersionMismatchError,
    change: (file) => setWord(file, Header.version, LAYOUT_VERSION + 1),
  },
  {
    what: "no segment",
    error: errors.CorruptSegmentError,
    change: (file) => fs.writeFileSync(file, "hello"),
  },
  {
    what: "zeros",
    error: errors.CorruptSegmentError,
    change: (file) => fs.writeFileSync(file, new Uint8Array(4096)),
  },
  {
    what: "a link",
    error: errors.DirectoryError,
    change(file) {
      fs.rmSync(file);
      fs.symlinkSync("/dev/zero", file);
    },
  },
  {
    what: "other user",
    error: errors.OwnerError,
    skip: notRoot,
    change: (file) => fs.chownSync(file, 12345, 12345),
  },
  {
    what: "a file that others may write",
    error: errors.OwnerError,
    change: (file) => fs.chmodSync(file, 0o666),
  },
];

for (const { what, error, change, kind, skip = false } of planted) {
  test(`a channel's file: ${what}`, { skip }, async () => {
    using scratch = new Scratch();
    change(plant(scratch, ["channel", "name", "join-0-1"], kind ?? Kind.connection));
    const { path: directory } = scratch;
    const thrown = await refused(scratch, error, () => Channel.open("name", { directory }));
    assert.match(thrown.message, /join-0-1/);
  });

  test(`a server's file: ${what}`, { skip }, async () => {
    using scratch = new Scratch();
    change(plant(scratch, ["rpc", "name", "server-0"], kind ?? Kind.server));
    const { path: directory } = scratch;
    for (
      const open of [
        () => RpcServer.open("name", { directory }),
        () => RpcClient.open("name", { directory }),
      ]
    ) {
      const thrown = await refused(scratch, error, open);
      assert.match(thrown.message, /server-0/);
    }
  });

  test(`a client's file: ${what}`, { skip }, async () => {
    using scratch = new Scratch();
    const file = plant(scratch, ["rpc-clients", "name", "join-0-1"], kind ?? Kind.connection);
    change(file);
    const { path: directory } = scratch;
    const seen: unknown[] = [];
    {
      await using server = await RpcServer.open("name", {
        directory,
        onError: (error) => void seen.push(error),
        onRequest: (payload) => payload,
      });
      assert.ok(seen[0] instanceof error, String(seen[0]));
      assert.equal(fs.existsSync(file), false, "it is taken out of the way");
      await using client = await RpcClient.open("name", { directory });
      assert.deepEqual([...(await client.request(new Uint8Array([1])))!], [1]);
      assert.equal(server.connections, 1);
    }
    assertEmpty(scratch);
  });
}

test("a client's file that is no segment doesn't end a server without onError", async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  fs.writeFileSync(plant(scratch, ["rpc-clients", "name", "join-0-1"], Kind.connection), "hello");
  {
    await using _server = await RpcServer.open("name", { directory, onRequest: (bytes) => bytes });
    await using client = await RpcClient.open("name", { directory });
    assert.deepEqual([...(await client.request(new Uint8Array([1])))!], [1]);
  }
  assertEmpty(scratch);
});

test("a server of a node that is gone is replaced", async () => {
  using scratch = new Scratch();
  const { path: directory } = scratch;
  plant(scratch, ["rpc", "name", "server-0"], Kind.server);
  plant(scratch, ["channel", "name", "join-0-1"], Kind.connection);
  {
    await using _server = await RpcServer.open("name", { directory });
    await using _channel = await Channel.open("name", { directory });
    assert.equal(scratch.files().some((file) => file.endsWith(NOBODY)), false);
  }
  assertEmpty(scratch);
});
