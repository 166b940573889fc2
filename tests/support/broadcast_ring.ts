// Both ends of a broadcast ring in real shared memory.

import { LagPolicy, publisherData, PublisherLayout } from "../../src/memory/layout.ts";
import { SlotState, SubscriberSlot } from "../../src/memory/layout.ts";
import type { Segment } from "../../src/memory/segment.ts";
import { BroadcastConsumer } from "../../src/ring/broadcast_consumer.ts";
import { BroadcastProducer } from "../../src/ring/broadcast_producer.ts";
import { Scratch } from "./scratch.ts";

export const SLOTS = 8;
export const DATA = publisherData(SLOTS);

/** Offset of a subscriber's slot in the segment. */
export function slotAt(index: number): number {
  return PublisherLayout.table + index * SubscriberSlot.bytes;
}

/** The subscriber that has this slot. */
export function indexOf(slot: number): number {
  return (slot - PublisherLayout.table) / SubscriberSlot.bytes;
}

/** A publisher, and subscribers that join it. */
export interface BroadcastWorld extends Disposable {
  segment: Segment;
  producer: BroadcastProducer;
  cuts: [slot: number, reason: string][];
  /** Lets a subscriber join. */
  add(
    slot: number,
    policy?: LagPolicy,
    history?: number,
    how?: { borrow?: boolean; mayBeOvertaken?: boolean },
  ): BroadcastConsumer;
}

/** A ring in a segment of its own; `start`: its first position. */
export function world(capacity: number, start = 0): BroadcastWorld {
  const scratch = new Scratch();
  const segment = scratch.segment("ring", { pages: (DATA + capacity) / 4096 });
  const cuts: BroadcastWorld["cuts"] = [];
  const onCut = (slot: number, reason: string): void => {
    cuts.push([slot, reason]);
    segment.setU32(slot + SubscriberSlot.state, SlotState.cut);
  };
  const producer = new BroadcastProducer(segment, DATA, capacity, onCut, start);
  return {
    segment,
    producer,
    cuts,
    add(index, policy = LagPolicy.block, history = 0, how = {}) {
      const { borrow = false, mayBeOvertaken = false } = how;
      producer.add(slotAt(index), policy, history);
      segment.setU32(slotAt(index) + SubscriberSlot.state, SlotState.open);
      const mode = { policy, borrow, mayBeOvertaken };
      return new BroadcastConsumer(segment, slotAt(index), DATA, capacity, mode);
    },
    [Symbol.dispose]() {
      segment.close();
      scratch[Symbol.dispose]();
    },
  };
}
