/**
 * JSON as a codec: for values that other languages read too.
 *
 * @module
 */
import { CodecError } from "../errors.ts";
import type { Codec } from "./codec.ts";
import { JsonChecker } from "./json_checker.ts";
import { encodingError, messageOf } from "./refusal.ts";

/** How deep values may be in each other. Both sides hold to it. */
const MAX_DEPTH = 1000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Carries what JSON carries. `undefined` as a whole value arrives as `undefined`, in
 * an array as `null`, and is left out of objects; `NaN` and `Infinity` arrive as `null`, dates
 * as text. Anything else that JSON would leave out or make to `{}` (a function, a Map, a
 * Promise, bytes, a big integer …) is a {@linkcode CodecError} that says where it is.
 *
 * @example
 * ```ts
 * import { connect, json } from "@causeway/ipc";
 *
 * interface Api {
 *   add(a: number, b: number): number;
 * }
 * await using client = await connect<Api>("math", { codec: json });
 * ```
 */
export const json: Codec = {
  name: "json",
  output: "fresh",
  encode(value) {
    if (value === undefined) return new Uint8Array(0);
    try {
      return encoder.encode(JSON.stringify(value, new JsonChecker(MAX_DEPTH).replace));
    } catch (error) {
      throw encodingError(error);
    }
  },
  decode(bytes) {
    if (bytes.length === 0) return undefined;
    try {
      checkDepth(bytes);
      return JSON.parse(decoder.decode(bytes));
    } catch (cause) {
      throw new CodecError(`these ${bytes.length} bytes are no JSON: ${messageOf(cause)}`, {
        cause,
      });
    }
  },
};

/** A level takes two bytes at least. */
function checkDepth(bytes: Uint8Array): void {
  if (bytes.length <= 2 * MAX_DEPTH) return;
  let depth = 0;
  let isText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (isText) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) isText = false;
    } else if (byte === 0x22) isText = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_DEPTH) throw new CodecError(`they are deeper than ${MAX_DEPTH} levels`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}
