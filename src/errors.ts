/**
 * Every error this library throws. One class per failure, all below
 * {@linkcode CausewayError}, each with a stable `code`.
 *
 * Messages name the value, the limit and what to do about it.
 *
 * @module
 */

/** Stable identifiers of failures, for `switch` statements and logs. */
export type ErrorCode =
  | "ARGUMENT"
  | "BACKPRESSURE"
  | "CAPACITY_MISMATCH"
  | "CLOSED"
  | "CODEC"
  | "CODEC_MISMATCH"
  | "CONNECTION_LIMIT"
  | "CORRUPT_SEGMENT"
  | "DEADLOCK"
  | "DIRECTORY"
  | "FILES_REMOVED"
  | "KIND_MISMATCH"
  | "LAGGED"
  | "LIBRARY"
  | "LIMIT"
  | "MEMORY_GONE"
  | "MESSAGE_TOO_LARGE"
  | "NAME_TAKEN"
  | "NOT_SHARED"
  | "NO_SPACE"
  | "OWNER"
  | "PARAMETER_MISMATCH"
  | "PEER_GONE"
  | "PERMISSION"
  | "REMOTE"
  | "STREAM_ABORTED"
  | "SYSTEM"
  | "TIMEOUT"
  | "UNKNOWN_METHOD"
  | "VERSION_MISMATCH";

/** The root of all errors of this library. */
export class CausewayError extends Error {
  /**
   * Stable identifier of the failure. A {@linkcode RemoteError} has that of the original,
   * which may be any text.
   */
  readonly code: ErrorCode | (string & Record<never, never>);

  /** Made by the library only. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An argument is outside of what the call accepts. */
export class ArgumentError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string) {
    super("ARGUMENT", message);
  }
}

/** More bytes wait to be sent than the send queue may hold. Nothing was queued. */
export class BackpressureError extends CausewayError {
  /** Bytes that wait already. */
  readonly queued: number;
  /** The most that may wait, in bytes. */
  readonly limit: number;

  /** Made by the library only. */
  constructor(
    queued: number,
    size: number,
    limit: number,
    advice = "await `writable` before sending, or raise `sendQueueBytes`",
  ) {
    super(
      "BACKPRESSURE",
      `the send queue holds ${queued} bytes and can't take ${size} more (limit ${limit}): ${advice}`,
    );
    this.queued = queued;
    this.limit = limit;
  }
}

/** Both sides asked for a capacity, and not for the same. */
export class CapacityMismatchError extends CausewayError {
  /** The capacity that it has. */
  readonly actual: number;

  /** Made by the library only. */
  constructor(name: string, asked: number, actual: number) {
    super(
      "CAPACITY_MISMATCH",
      `"${name}" has capacity ${actual}, but ${asked} was asked for: the first to open it ` +
        "decides, by its option or the default; name the same on each side that may be first, or on none",
    );
    this.actual = actual;
  }
}

/** The object was closed, by this side. */
export class ClosedError extends CausewayError {
  /** Made by the library only. */
  constructor(what: string, message = `${what} is closed: open a new one to go on`) {
    super("CLOSED", message);
  }
}

/** A value can't be encoded, or bytes can't be decoded, by the codec in use. */
export class CodecError extends CausewayError {
  /** Where in the value the part is that can't be sent, as keys and indices, if that is known. */
  declare readonly path?: readonly (string | number)[];

  /** Made by the library only. */
  constructor(message: string, options?: ErrorOptions, path?: readonly (string | number)[]) {
    super("CODEC", message, options);
    if (path !== undefined) Object.defineProperty(this, "path", { value: path });
  }
}

/** Server and client use different codecs. */
export class CodecMismatchError extends CausewayError {
  /** Made by the library only. */
  constructor(name: string, ours: string, theirs: string, them = "server", us = "this client") {
    super(
      "CODEC_MISMATCH",
      `${them} "${name}" speaks the codec "${theirs}", ${us} "${ours}": use the same on both sides`,
    );
  }
}

/** The server holds as many connections as it accepts. */
export class ConnectionLimitError extends CausewayError {
  /** Made by the library only. */
  constructor(name: string, limit: number, who = "server", option = "maxConnections") {
    super(
      "CONNECTION_LIMIT",
      `${who} "${name}" refused the connection: it accepts ${limit} at a time ` +
        `(\`${option}\` of the ${who})`,
    );
  }
}

/** Shared memory holds something no correct peer writes. The connection is given up. */
export class CorruptSegmentError extends CausewayError {
  /** Made by the library only. */
  constructor(what: string) {
    super(
      "CORRUPT_SEGMENT",
      `shared memory is corrupt: ${what}; the peer is broken or hostile, the connection was given up`,
    );
  }
}

/** A blocking call waits for this very thread, which can't answer while it waits. */
export class DeadlockError extends CausewayError {
  /** Made by the library only. */
  constructor(
    name: string,
    why = "the other side lives in the same realm and its handler didn't answer at once",
  ) {
    super(
      "DEADLOCK",
      `a blocking call on "${name}" would wait for its own thread: ${why}; use the awaited form`,
    );
  }
}

/** The runtime directory can't be used. */
export class DirectoryError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string, options?: ErrorOptions) {
    super("DIRECTORY", message, options);
  }
}

/** A segment is of another kind than the one asked for. */
export class KindMismatchError extends CausewayError {
  /** Made by the library only. */
  constructor(path: string, expected: string, actual: string) {
    super("KIND_MISMATCH", `${path} holds a segment of kind ${actual}, expected ${expected}`);
  }
}

/**
 * A subscriber fell behind a publisher and was disconnected from it, as its `onLag` or the
 * publisher's `maxLag` asks.
 */
export class LaggedError extends CausewayError {
  /** Id of the publisher; empty if there were several, which have ended. */
  readonly publisher: string;

  /** Made by the library only. `ended`: publishers that were never heard. */
  constructor(name: string, publisher: string, ended = 0) {
    super(
      "LAGGED",
      ended > 0
        ? `${ended} publishers of topic "${name}" came and ended while a subscriber didn't run, and ` +
          "what they published is lost: only so many are kept for one that doesn't answer"
        : `a subscriber of topic "${name}" fell so far behind publisher ${publisher} that it was ` +
          "disconnected from it, as its `onLag` or the publisher's `maxLag` asks: open a new one to " +
          "go on, read faster, or give the publisher a larger `capacity` or `maxLag`",
    );
    this.publisher = publisher;
  }
}

/** The native library can't be found or loaded. */
export class LibraryError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string, options?: ErrorOptions) {
    super("LIBRARY", message, options);
  }
}

/**
 * Files in the runtime directory were removed while they were in use, so other processes can't
 * find what is open here.
 */
export class FilesRemovedError extends CausewayError {
  /** Made by the library only. */
  constructor(what: string, directory: string) {
    super(
      "FILES_REMOVED",
      `the files of ${what} in ${directory} were removed while it was open, so other processes ` +
        "can't find it any more: close it and open it again; don't remove the directory under " +
        "running programs (systemd does with RemoveIPC=yes)",
    );
  }
}

/** The system, or this library, can't hold more of something. */
export class LimitError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string, options?: ErrorOptions) {
    super("LIMIT", message, options);
  }
}

/** Shared memory that was passed by reference isn't there any more. */
export class MemoryGoneError extends CausewayError {
  /** Made by the library only. */
  constructor(name: string) {
    super(
      "MEMORY_GONE",
      `${name} is gone: the side that passed it died or closed it before it was opened here, and ` +
        "no other has it open; keep it open on the side that passes it until the other side has it",
    );
  }
}

/** A message is larger than one of the two sides accepts. */
export class MessageTooLargeError extends CausewayError {
  /** Made by the library only. */
  constructor(
    size: number,
    limit: number,
    whose: string,
    hint = "raise `maxMessageBytes`, or send it in parts",
  ) {
    super(
      "MESSAGE_TOO_LARGE",
      `a message of ${size} bytes is over the limit of ${limit} bytes of ${whose}: ${hint}`,
    );
  }
}

/** The name is in use by a live process. */
export class NameTakenError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string) {
    super("NAME_TAKEN", message);
  }
}

/** The file system that holds the runtime directory is full. */
export class NoSpaceError extends CausewayError {
  /** Made by the library only. */
  constructor(directory: string, needed: number, free: number, total: number) {
    super(
      "NO_SPACE",
      `${directory} can't hold a segment of ${needed} bytes: ${free} of ${total} bytes are free, ` +
        `${
          Math.max(0, needed - free)
        } are missing; close what isn't needed, choose a smaller capacity, ` +
        "another directory (CAUSEWAY_DIR), or give the file system more (Docker: --shm-size)",
    );
  }
}

/** A buffer of this process alone was given where shared memory is asked for. */
export class NotSharedError extends CausewayError {
  /** Made by the library only. */
  constructor(given: string) {
    super(
      "NOT_SHARED",
      `${given} is a non-shared buffer where shared memory is asked for: no other process can see ` +
        "its bytes; make memory with `SharedMemory.create({ size })` or `SharedMemory.open(name, …)` " +
        "and work in its `bytes`, or copy into them",
    );
  }
}

/** A file or directory belongs to another user, or others may write it. */
export class OwnerError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string) {
    super("OWNER", message);
  }
}

/** What exists under a name was made with another parameter than the one asked for. */
export class ParameterMismatchError extends CausewayError {
  /** Made by the library only. */
  constructor(name: string, parameter: string, asked: unknown, actual: unknown) {
    super(
      "PARAMETER_MISMATCH",
      `${name} was made with ${parameter} ${actual}, but ${asked} was asked for: ` +
        "use the same everywhere, or leave it out",
    );
  }
}

/** Why a peer is gone. */
export type GoneReason = "died" | "closed" | "corrupt";

/** The other side died or closed, and what waited for it can't be answered. */
export class PeerGoneError extends CausewayError {
  /** Why it is gone. */
  readonly reason: GoneReason;

  /** Made by the library only. */
  constructor(name: string, reason: GoneReason, options?: ErrorOptions) {
    const how = reason === "died"
      ? "its process or worker died"
      : reason === "closed"
      ? "it closed the connection"
      : "it was cut off after it wrote corrupt data";
    super("PEER_GONE", `the peer on "${name}" is gone: ${how}`, options);
    this.reason = reason;
  }
}

/** The system or the runtime refuses access. */
export class PermissionError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string, options?: ErrorOptions) {
    super("PERMISSION", message, options);
  }
}

/**
 * The other side's handler failed with something that isn't one of the standard
 * error types; `name`, `message`, `cause` and own properties are the original's.
 */
export class RemoteError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string, options?: ErrorOptions) {
    super("REMOTE", message, options);
  }
}

/** The other side let go of a stream before its end, and gave no reason. */
export class StreamAbortedError extends CausewayError {
  /** Made by the library only. */
  constructor() {
    super("STREAM_ABORTED", "the other side let go of the stream before its end");
  }
}

/** The system failed in a way that has no class of its own. */
export class SystemError extends CausewayError {
  /** The system's own error number, 0 where there is none. */
  readonly errno: number;

  /** Made by the library only. */
  constructor(message: string, errno: number) {
    super("SYSTEM", message);
    this.errno = errno;
  }
}

/** The time given is over. */
export class TimeoutError extends CausewayError {
  /** The time that was given, in milliseconds. */
  readonly timeout: number;

  /** Made by the library only. */
  constructor(what: string, timeout: number, hint = "") {
    const limit = Number(timeout.toFixed(1));
    super("TIMEOUT", `${what} took longer than ${limit} ms${hint === "" ? "" : `: ${hint}`}`);
    this.timeout = timeout;
  }
}

/** The server has no such method, or this side handles no requests at all. */
export class UnknownMethodError extends CausewayError {
  /** Made by the library only. */
  constructor(message: string) {
    super("UNKNOWN_METHOD", message);
  }
}

/** The other side was built with another layout of shared memory. */
export class VersionMismatchError extends CausewayError {
  /** Made by the library only. */
  constructor(path: string, ours: number, theirs: number) {
    super(
      "VERSION_MISMATCH",
      `${path} has layout version ${theirs}, this library reads version ${ours}: ` +
        "use the same version of @causeway/ipc in all processes",
    );
  }
}

/**
 * Is it a shortage that may pass: of descriptors, mappings, memory or space? What failed for
 * it is worth another try.
 */
export function isShortage(error: unknown): boolean {
  return error instanceof LimitError || error instanceof NoSpaceError;
}
