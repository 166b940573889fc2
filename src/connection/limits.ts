/**
 * What one side of a connection lets the other make it hold. Everything else is bounded
 * by the bytes of the messages that are there, and by options: `maxMessageBytes`,
 * `sendQueueBytes`, `streamWindowBytes`.
 *
 * A peer that exceeds what a correct one keeps to by itself is corrupt: its connection
 * ends. What a correct program can reach is an error of that call, or a wait.
 *
 * @module
 */

/**
 * Calls that one side can have under way on a connection. A side that makes more keeps
 * the others until answers come, at most {@linkcode MAX_WAITING_CALLS}. The id of a call is
 * smaller than this.
 */
export const MAX_CALLS = 1 << 16;

/**
 * Calls that can wait until others are answered. A peer can make a side call its functions, and
 * never answer.
 */
export const MAX_WAITING_CALLS = 1 << 16;

/**
 * Requests whose caller gave up, but whose method still runs here, and that are answered all the
 * same, so that their ids can be used again. The ids of more stay in use until their methods end.
 */
export const MAX_GIVEN_UP = 1 << 14;

/**
 * Messages without answer whose asynchronous handlers can run at the same time. Beyond that the
 * peer isn't read from until some have ended; unless this side waits for it: then
 * {@linkcode MOST_OWED} times as many may run.
 */
export const MAX_HANDLING = 1 << 16;

/** Streams that can be open at the same time on a connection. */
export const MAX_STREAMS = 1 << 16;

/** Different methods that one side can call on a connection: their ids are below it. */
export const MAX_METHODS = 0xffff;

/** Bytes of the name of a method, with the names of the objects that it is in: less than a piece. */
export const MAX_METHOD_NAME = 512;

/** Bytes of the names of all methods that one side calls. */
export const MAX_METHOD_NAMES = 1 << 20;

/** Functions of one side that the other can hold, each way. */
export const MAX_FUNCTIONS = 1 << 16;

/**
 * Shared memories that one side has sent and the other hasn't received yet, without those of
 * calls that it waits for: each has a file.
 */
export const MAX_HOLDS = 1 << 14;

/** Messages that can wait to be sent, however small they are. */
export const MAX_QUEUED = 1 << 20;

/** What a record that waits to be sent costs beside its bytes: about what an object takes. */
export const QUEUED_COST = 256;

/**
 * A peer that doesn't read isn't read from either, beyond `sendQueueBytes` of answers; but
 * a side that waits for that peer has to read. Then this many times as much may wait.
 */
export const MOST_OWED = 16;

/**
 * The same for calls, which wait for their turn however slow the peer is: beyond that many bytes
 * they are refused, if as many as this wait. So a few can be of any size.
 */
export const MANY_CALLS = 64;

/** For a side with a small `sendQueueBytes`: see {@linkcode MOST_OWED}. */
const LEAST_OWED = 1 << 20;

/** The most bytes of answers, or of calls, that wait. */
export function mostOwed(sendQueueBytes: number): number {
  return MOST_OWED * Math.max(sendQueueBytes, LEAST_OWED);
}
