// What crosses: frames of a grey camera, one byte per pixel. The first pixels hold the number.

export const WIDTH = 1920;
export const HEIGHT = 1080;
export const BYTES = WIDTH * HEIGHT;
/** A message has a quarter of its ring at most. */
export const CAPACITY = 16 << 20;

export function setNumber(frame: Uint8Array, number: number): void {
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, number);
}

export function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0);
}
