// Unpacks npm packages with the system's tar.

import { execFileSync } from "node:child_process";

/** The files of a packed file into a folder that is there, without the folder they all are in. */
export function unpackPackage(file: string, into: string): void {
  execFileSync("tar", ["-xzf", file, "-C", into, "--strip-components=1"]);
}
