/**
 * MessagePack as a codec, the default: nearly all that `structuredClone` carries,
 * functions, and what crosses by reference.
 *
 * @module
 */
import type { Codec } from "./codec.ts";
import { Decoder } from "./messagepack_decoder.ts";
import { Encoder } from "./messagepack_encoder.ts";

// One of each for the thread. They are taken out while they work: what they call (a getter, a
// `toJSON`) may encode or decode, too, and then makes another one.
let encoder: Encoder | undefined;
let decoder: Decoder | undefined;

/**
 * Carries text, numbers, big integers, dates, maps, sets, regular expressions,
 * array buffers and their views, errors (all but the stack), shared and cyclic
 * references, functions and streams; of any realm of the process.
 *
 * What changes on the way: an object of a class arrives as a plain one, or as what
 * its `toJSON` gives; of a subclass of the above as the class above; holes in arrays become
 * `undefined`, halves of surrogate pairs become U+FFFD. What can't be sent is a
 * {@linkcode CodecError} that says where in the value it is. `docs/guide.md` has the
 * whole table.
 */
export const messagePack: Codec = {
  name: "messagepack",
  output: "fresh",
  carriesErrors: true,
  encode(value, functions) {
    const mine = encoder ?? new Encoder();
    encoder = undefined;
    try {
      return mine.encode(value, functions);
    } finally {
      encoder = mine;
    }
  },
  decode(bytes, functions) {
    const mine = decoder ?? new Decoder();
    decoder = undefined;
    try {
      return mine.decode(bytes, functions);
    } finally {
      decoder = mine;
    }
  },
};
