// Frames on a socket: four bytes of length, then the payload.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

const HEADER = 4;

/** Writes a frame; false if the socket wants the sender to wait for "drain". */
export function writeFrame(socket: Socket, payload: Uint8Array): boolean {
  const frame = new Uint8Array(HEADER + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length, true);
  frame.set(payload, HEADER);
  return socket.write(frame);
}

/** Calls `handle` with the payload of each frame that arrives, whole. */
export function onFrame(socket: Socket, handle: (payload: Uint8Array) => void): void {
  let rest: Uint8Array[] = []; // the beginning of a frame
  let size = 0;
  let needed = HEADER;
  socket.on("data", (chunk: Uint8Array) => {
    rest.push(chunk);
    size += chunk.length;
    if (size < needed) return;
    const bytes = rest.length === 1 ? chunk : Buffer.concat(rest);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (needed = HEADER; bytes.length - at >= needed; needed = HEADER) {
      const end = at + HEADER + view.getUint32(at, true);
      if (end > bytes.length) {
        needed = end - at;
        break;
      }
      handle(bytes.subarray(at + HEADER, end));
      at = end;
    }
    rest = [bytes.subarray(at)];
    size = bytes.length - at;
  });
}
