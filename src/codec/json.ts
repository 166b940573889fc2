/**
 * JSON as a codec: for values that other languages read too.
 *
 * @module
 */
import { CodecError } from "../errors.ts";
import { isStream } from "./codec.ts";
import type { Codec } from "./codec.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function replace(key: string, value: unknown): unknown {
  if (typeof value === "function") {
    throw new CodecError(
      `the JSON codec can't carry the function ${JSON.stringify(key)}: use MessagePack`,
    );
  }
  if (typeof value === "object" && value !== null && isStream(value)) {
    throw new CodecError(
      `the JSON codec can't carry the stream ${JSON.stringify(key)}: use MessagePack`,
    );
  }
  return value;
}

/**
 * Carries what JSON carries. `undefined` as a whole value arrives as `undefined`;
 * a function, a stream or a big integer is a {@linkcode CodecError}.
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
    try {
      return encoder.encode(value === undefined ? "" : JSON.stringify(value, replace));
    } catch (cause) {
      if (cause instanceof CodecError) throw cause;
      throw new CodecError(`the JSON codec can't encode the value: ${messageOf(cause)}`, { cause });
    }
  },
  decode(bytes) {
    if (bytes.length === 0) return undefined;
    try {
      return JSON.parse(decoder.decode(bytes));
    } catch (cause) {
      throw new CodecError(`these ${bytes.length} bytes are no JSON: ${messageOf(cause)}`, {
        cause,
      });
    }
  },
};

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
