/**
 * The numbers of a struct. Little-endian, each at a multiple of its size.
 *
 * The accessors are written out type by type: an engine turns `view.price` into a
 * single load only where nothing in between is shared by several types.
 *
 * @module
 */
import { AT, DATA, refuse } from "./field.ts";
import type { Place, ScalarField } from "./field.ts";

/** Halfway from the largest finite number of 32 bits to the next one: it would become infinite. */
const OVER_F32 = 2 ** 128 - 2 ** 103;
/** The same for 16 bits. */
const OVER_F16 = 65520;

/** Every runtime has them, not every version of the types. */
interface HalfView {
  getFloat16(at: number, littleEndian: boolean): number;
  setFloat16(at: number, value: number, littleEndian: boolean): void;
}

function writeU8(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (value & 0xff) !== value) {
    refuse(name, value, "u8", "a whole number from 0 to 255");
  }
  data.setUint8(at, value);
}

/** An unsigned number of 8 bits. */
export const u8: ScalarField<number> = {
  composite: false,
  label: "u8",
  size: 1,
  alignment: 1,
  read: (data, at) => data.getUint8(at),
  write: writeU8,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getUint8(this[AT] + offset);
    },
    set(value: number) {
      writeU8(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeI8(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (value << 24) >> 24 !== value) {
    refuse(name, value, "i8", "a whole number from -128 to 127");
  }
  data.setInt8(at, value);
}

/** A number of 8 bits. */
export const i8: ScalarField<number> = {
  composite: false,
  label: "i8",
  size: 1,
  alignment: 1,
  read: (data, at) => data.getInt8(at),
  write: writeI8,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getInt8(this[AT] + offset);
    },
    set(value: number) {
      writeI8(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeU16(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (value & 0xffff) !== value) {
    refuse(name, value, "u16", "a whole number from 0 to 65535");
  }
  data.setUint16(at, value, true);
}

/** An unsigned number of 16 bits. */
export const u16: ScalarField<number> = {
  composite: false,
  label: "u16",
  size: 2,
  alignment: 2,
  read: (data, at) => data.getUint16(at, true),
  write: writeU16,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getUint16(this[AT] + offset, true);
    },
    set(value: number) {
      writeU16(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeI16(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (value << 16) >> 16 !== value) {
    refuse(name, value, "i16", "a whole number from -32768 to 32767");
  }
  data.setInt16(at, value, true);
}

/** A number of 16 bits. */
export const i16: ScalarField<number> = {
  composite: false,
  label: "i16",
  size: 2,
  alignment: 2,
  read: (data, at) => data.getInt16(at, true),
  write: writeI16,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getInt16(this[AT] + offset, true);
    },
    set(value: number) {
      writeI16(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeU32(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || value >>> 0 !== value) {
    refuse(name, value, "u32", "a whole number from 0 to 4294967295");
  }
  data.setUint32(at, value, true);
}

/** An unsigned number of 32 bits. */
export const u32: ScalarField<number> = {
  composite: false,
  label: "u32",
  size: 4,
  alignment: 4,
  read: (data, at) => data.getUint32(at, true),
  write: writeU32,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getUint32(this[AT] + offset, true);
    },
    set(value: number) {
      writeU32(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeI32(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (value | 0) !== value) {
    refuse(name, value, "i32", "a whole number from -2147483648 to 2147483647");
  }
  data.setInt32(at, value, true);
}

/** A number of 32 bits. */
export const i32: ScalarField<number> = {
  composite: false,
  label: "i32",
  size: 4,
  alignment: 4,
  read: (data, at) => data.getInt32(at, true),
  write: writeI32,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getInt32(this[AT] + offset, true);
    },
    set(value: number) {
      writeI32(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeU64(data: DataView, at: number, value: bigint, name: string): void {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
    refuse(name, value, "u64", "a bigint from 0n to 18446744073709551615n");
  }
  data.setBigUint64(at, value, true);
}

/** An unsigned `bigint` of 64 bits. */
export const u64: ScalarField<bigint> = {
  composite: false,
  label: "u64",
  size: 8,
  alignment: 8,
  read: (data, at) => data.getBigUint64(at, true),
  write: writeU64,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getBigUint64(this[AT] + offset, true);
    },
    set(value: bigint) {
      writeU64(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeI64(data: DataView, at: number, value: bigint, name: string): void {
  if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) {
    refuse(name, value, "i64", "a bigint from -9223372036854775808n to 9223372036854775807n");
  }
  data.setBigInt64(at, value, true);
}

/** A `bigint` of 64 bits. */
export const i64: ScalarField<bigint> = {
  composite: false,
  label: "i64",
  size: 8,
  alignment: 8,
  read: (data, at) => data.getBigInt64(at, true),
  write: writeI64,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getBigInt64(this[AT] + offset, true);
    },
    set(value: bigint) {
      writeI64(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeF16(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (Math.abs(value) >= OVER_F16 && Math.abs(value) !== Infinity)) {
    refuse(name, value, "f16", "a number up to 65504, rounded to 11 bits");
  }
  (data as unknown as HalfView).setFloat16(at, value, true);
}

/** A floating-point number of 16 bits; what is read is the nearest that it has. */
export const f16: ScalarField<number> = {
  composite: false,
  label: "f16",
  size: 2,
  alignment: 2,
  read: (data, at) => (data as unknown as HalfView).getFloat16(at, true),
  write: writeF16,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return (this[DATA] as unknown as HalfView).getFloat16(this[AT] + offset, true);
    },
    set(value: number) {
      writeF16(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeF32(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number" || (Math.abs(value) >= OVER_F32 && Math.abs(value) !== Infinity)) {
    refuse(name, value, "f32", "a number up to 3.4028234663852886e+38, rounded to 24 bits");
  }
  data.setFloat32(at, value, true);
}

/** A floating-point number of 32 bits; what is read is the nearest that it has. */
export const f32: ScalarField<number> = {
  composite: false,
  label: "f32",
  size: 4,
  alignment: 4,
  read: (data, at) => data.getFloat32(at, true),
  write: writeF32,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getFloat32(this[AT] + offset, true);
    },
    set(value: number) {
      writeF32(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeF64(data: DataView, at: number, value: number, name: string): void {
  if (typeof value !== "number") {
    refuse(name, value, "f64", "a number");
  }
  data.setFloat64(at, value, true);
}

/** A floating-point number of 64 bits: any number. */
export const f64: ScalarField<number> = {
  composite: false,
  label: "f64",
  size: 8,
  alignment: 8,
  read: (data, at) => data.getFloat64(at, true),
  write: writeF64,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getFloat64(this[AT] + offset, true);
    },
    set(value: number) {
      writeF64(this[DATA], this[AT] + offset, value, name);
    },
  }),
};

function writeBool(data: DataView, at: number, value: boolean, name: string): void {
  if (typeof value !== "boolean") refuse(name, value, "bool", "true or false");
  data.setUint8(at, value ? 1 : 0);
}

/** A boolean in a byte: 0 is false, all else true; written as 0 or 1. */
export const bool: ScalarField<boolean> = {
  composite: false,
  label: "bool",
  size: 1,
  alignment: 1,
  read: (data, at) => data.getUint8(at) !== 0,
  write: writeBool,
  accessor: (name, offset): PropertyDescriptor & ThisType<Place> => ({
    get() {
      return this[DATA].getUint8(this[AT] + offset) !== 0;
    },
    set(value: boolean) {
      writeBool(this[DATA], this[AT] + offset, value, name);
    },
  }),
};
