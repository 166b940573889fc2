/**
 * Raw bytes as a codec: nothing is changed, nothing is copied.
 *
 * @module
 */
import { CodecError } from "../errors.ts";
import type { TypedCodec } from "./typed_codec.ts";

/**
 * Carries `Uint8Array` as it is, and nothing else: any other value is a
 * {@linkcode CodecError}. It is what {@linkcode RpcServer} and
 * {@linkcode RpcClient} speak; calls of methods have lists of arguments, so
 * {@linkcode serve} needs another one.
 */
export const bytes: TypedCodec<Uint8Array> = {
  name: "bytes",
  output: "value",
  carriesReferences: false,
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw new CodecError(`the bytes codec carries Uint8Array only, got ${typeof value}`);
  },
  decode: (value) => value,
};
