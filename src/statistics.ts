/**
 * What an object did, in the same words for all of them. Each kind of object has the parts that
 * apply to it. All are counted on this side, from its opening on.
 *
 * @module
 */

/** What was sent. */
export interface SendStatistics {
  /** Messages that were sent; over a connection also requests, answers, and what waits to be sent. */
  readonly messagesSent: number;
  /** Bytes of their payloads. */
  readonly bytesSent: number;
}

/** What was received. */
export interface ReceiveStatistics {
  /** Messages that arrived; over a connection also requests and answers. */
  readonly messagesReceived: number;
  /** Bytes of their payloads. */
  readonly bytesReceived: number;
}

/** What waits for room before it is sent. */
export interface SendQueueStatistics {
  /** Messages that had to wait for room, since the opening. */
  readonly waits: number;
  /** Messages that wait now. */
  readonly queuedMessages: number;
}

/** What one side of a connection did; of a client or a server, over all its connections. */
export interface ConnectionStatistics extends SendStatistics, ReceiveStatistics {
  /** Calls that got no answer in time. */
  readonly timeouts: number;
  /** Messages and calls that were refused because too much waited to be sent. */
  readonly overflows: number;
  /** Messages that were given up: not sent when the peer went, or too large for us. */
  readonly dropped: number;
}

/** The same while it is counted. */
export type Counters<S> = { -readonly [K in keyof S]: S[K] };

/** All zero. */
export function newConnectionCounters(): Counters<ConnectionStatistics> {
  return {
    messagesSent: 0,
    bytesSent: 0,
    messagesReceived: 0,
    bytesReceived: 0,
    timeouts: 0,
    overflows: 0,
    dropped: 0,
  };
}

/** What two connections did together. */
export function sumOf(
  a: ConnectionStatistics,
  b: ConnectionStatistics,
): Counters<ConnectionStatistics> {
  const total = newConnectionCounters();
  for (const key of Object.keys(total) as (keyof ConnectionStatistics)[]) {
    total[key] = a[key] + b[key];
  }
  return total;
}
