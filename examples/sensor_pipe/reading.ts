// What crosses the pipe. A C program would read it as
//
//     struct reading { uint64_t time; double value; uint32_t sensor; bool valid; char unit[3]; };

import { bool, f64, fixedString, struct, u32, u64 } from "../../mod.ts";

export const Reading = struct({
  time: u64, //              microseconds, offset 0
  value: f64, //             offset 8
  sensor: u32, //            offset 16
  valid: bool, //            offset 20
  unit: fixedString(3), //   offset 21
}); //                       24 bytes

export const NAME = "sensor-readings";
/** Sensors, whose readings take turns. */
export const SENSORS = 4;
export const CAPACITY = 4096;
