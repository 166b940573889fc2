/**
 * Counters of one side of a connection.
 *
 * @module
 */

/** What one side has sent and received so far. Bytes are of payload. */
export interface Statistics {
  /** Messages, requests and answers that were sent, or wait to be. */
  messagesSent: number;
  /** Bytes of their payloads. */
  bytesSent: number;
  /** Messages, requests and answers that arrived. */
  messagesReceived: number;
  /** Bytes of their payloads. */
  bytesReceived: number;
  /** Calls that got no answer in time. */
  timeouts: number;
  /** Messages and calls that were refused because too much waited to be sent. */
  overflows: number;
  /** Messages that were given up: not sent when the peer went, or too large for us. */
  dropped: number;
}

/** All zero. */
export function newStatistics(): Statistics {
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
