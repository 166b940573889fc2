/**
 * Turns the shim's results into this library's errors.
 *
 * @module
 */
import type { Shim } from "../platform/binding.ts";
import { Status } from "../platform/binding.ts";
import {
  CorruptSegmentError,
  DirectoryError,
  LimitError,
  NameTakenError,
  OwnerError,
  PermissionError,
  SystemError,
  TimeoutError,
} from "../errors.ts";
import type { CausewayError } from "../errors.ts";

const decoder = new TextDecoder();

/** The error for a negative result of a shim call that did `what` with `path`. */
export function statusError(shim: Shim, status: number, what: string, path: string): CausewayError {
  const errno = shim.cw_last_error();
  const subject = `can't ${what} ${path}`;
  switch (status) {
    case Status.exists:
      return new NameTakenError(`${subject}: it exists`);
    case Status.notFound:
      return new DirectoryError(
        `${subject}: it doesn't exist, or the folder that holds it doesn't; create the folder, or ` +
          "choose another with CAUSEWAY_DIR or the `directory` option",
      );
    case Status.denied:
      return new PermissionError(
        `${subject}: access denied; choose a directory of your own with CAUSEWAY_DIR`,
      );
    case Status.readOnly:
      return new PermissionError(
        `${subject}: it can't be written; choose another directory with CAUSEWAY_DIR`,
      );
    case Status.notOwner:
      return new OwnerError(
        `${subject}: it belongs to another user; processes share memory with their own user only, ` +
          "remove it or choose another directory with CAUSEWAY_DIR",
      );
    case Status.mode:
      return new OwnerError(
        `${subject}: other users may write or open it; make it private (chmod 700 for a directory, ` +
          "600 for a file)",
      );
    case Status.link:
      return new DirectoryError(
        `${subject}: it is a symbolic link, which is refused because another user could redirect it; ` +
          "name the real path",
      );
    case Status.type:
      return new DirectoryError(
        `${subject}: it is no directory, or no regular file, where one is needed`,
      );
    case Status.size:
      return new CorruptSegmentError(`the size of ${path} isn't a whole number of pages`);
    case Status.limit:
      return new LimitError(
        `${subject}: out of descriptors, mappings or memory${systemText(shim, errno)}; ` +
          "close what isn't needed or raise the limit (ulimit -n, vm.max_map_count)",
      );
    case Status.timeout:
      return new TimeoutError(`waiting to ${what} ${path}`, 0);
    default:
      return new SystemError(
        `${subject}: status ${status}${systemText(shim, errno)}`,
        errno,
      );
  }
}

function systemText(shim: Shim, errno: number): string {
  if (errno === 0) return "";
  const out = new Uint8Array(256);
  const length = shim.cw_error_text(errno, out, out.length);
  return ` (${decoder.decode(out.subarray(0, Math.max(0, length)))}, error ${errno})`;
}
