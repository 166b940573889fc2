// docs/protocol.md says what the code does.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import {
  ConnectionLayout,
  EventLayout,
  Header,
  Kind,
  LagPolicy,
  LAYOUT_VERSION,
  MAX_MEMBERS,
  MAX_SOURCES,
  MAX_SUBSCRIBERS,
  Member,
  MembershipLayout,
  MemoryLayout,
  MutexLayout,
  NodeLayout,
  PAGE,
  PipeLayout,
  PublisherLayout,
  QueueChunk,
  QueueLayout,
  Refusal,
  RingLayout,
  RingWords,
  RwLockLayout,
  ServerLayout,
  Side,
  SideState,
  SlotState,
  SubscriberLayout,
  SubscriberSlot,
} from "../../src/memory/layout.ts";
import { MAX_FILE_NAME } from "../../src/memory/names.ts";
import { PARTS_FLAG } from "../../src/ring/broadcast_producer.ts";
import { RECORD_HEADER, RecordFlag, RecordKind } from "../../src/ring/record.ts";
import { Bell } from "../../src/wake/doorbell.ts";

const text = fs.readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");

/** The part under a heading. */
function section(heading: string): string {
  const from = text.indexOf(`\n## ${heading}\n`);
  assert.ok(from >= 0, `there is no section "${heading}"`);
  const to = text.indexOf("\n## ", from + 1);
  return text.slice(from, to < 0 ? undefined : to);
}

/** Names and numbers of the table in a section whose first column has this title. */
function table(heading: string, title: string): Record<string, number> {
  const lines = section(heading).split("\n");
  const start = lines.findIndex((line) => new RegExp(`^\\| *${title} *\\|`).test(line));
  assert.ok(start >= 0, `there is no table "${title}" in "${heading}"`);
  const found: Record<string, number> = {};
  for (const line of lines.slice(start + 2)) {
    const cells = line.split("|").map((cell) => cell.trim());
    if (cells.length < 4) break;
    found[cells[2]!] = Number(cells[1]!.replace("+", ""));
  }
  return found;
}

/** A layout without what isn't an offset. */
function offsets(layout: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(layout).filter(([name]) =>
      !/Bytes$|^pages$|^bytes$/.test(name) || layout === Header
    ),
  );
}

const tables: [heading: string, title: string, numbers: Record<string, number>][] = [
  ["Header", "offset", Header],
  ["Node", "offset", offsets(NodeLayout)],
  ["Connection", "offset", offsets(ConnectionLayout)],
  ["Connection", "side", Side],
  ["Ring", "ring", RingWords],
  ["Ring", "offset", RingLayout],
  ["Record", "kind", RecordKind],
  ["Record", "flag", RecordFlag],
  ["Server", "offset", offsets(ServerLayout)],
  ["Shared memory", "offset", MemoryLayout],
  ["Locks", "mutex", MutexLayout],
  ["Locks", "rwlock", RwLockLayout],
  ["Locks", "event", EventLayout],
  ["Membership", "offset", offsets(MembershipLayout)],
  ["Membership", "member", offsets(Member)],
  ["Queue", "offset", offsets(QueueLayout)],
  ["Queue", "chunk", offsets(QueueChunk)],
  ["Pipe", "offset", { ...offsets(PipeLayout), messageBytes: PipeLayout.messageBytes }],
  ["Publisher", "offset", offsets(PublisherLayout)],
  ["Publisher", "slot", offsets(SubscriberSlot)],
  ["Subscriber", "offset", offsets(SubscriberLayout)],
];

for (const [heading, title, numbers] of tables) {
  test(`docs/protocol.md: ${heading}, by ${title}`, () => {
    assert.deepEqual(table(heading, title), { ...numbers });
  });
}

test("docs/protocol.md: numbers in its sentences", () => {
  const said = (heading: string, ...parts: string[]) => {
    for (const part of parts) assert.ok(section(heading).includes(part), `${heading}: ${part}`);
  };
  const list = (values: Record<string, number>) =>
    Object.entries(values).map(([name, value]) => `${value} ${name}`).join(", ");
  said("Header", `version of the layout: ${LAYOUT_VERSION}`, list(Kind), `of ${PAGE} bytes`);
  said("Node", list(Bell), MAX_SOURCES.toLocaleString("en"));
  said(
    "Membership",
    `${MAX_MEMBERS} members of ${Member.bytes} B`,
    `${MembershipLayout.nameBytes} bytes`,
  );
  said("Node", `${NodeLayout.descriptionBytes} bytes`);
  said("Connection", list(SideState), `${ConnectionLayout.nameBytes} bytes`);
  said("Publisher", list(SlotState), list(LagPolicy), `at most ${MAX_SUBSCRIBERS}`);
  said("Publisher", `${SubscriberSlot.bytes} bytes each`, `flag ${PARTS_FLAG}`);
  said("Server", `${ServerLayout.nameBytes} bytes`);
  said("Record", `capacity / 4 - ${RECORD_HEADER}`);
  said("Runtime directory", `longer than ${MAX_FILE_NAME} bytes`);
  assert.deepEqual(Object.values(Refusal), [1, 2, 3]);
});
