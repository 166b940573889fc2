// The types of the package as one file: what the public ones refer to, and no more. So nobody meets a
// name that can't be imported, and an editor reads one file instead of a hundred.

import path from "node:path";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";
import { root } from "../toolchain.mjs";

/** The text of the one `.d.ts` file. */
export async function bundleDeclarations(entry = "mod.ts"): Promise<string> {
  const bundle = await rollup({
    input: path.join(root, entry),
    plugins: [dts({ tsconfig: path.join(root, "tsconfig.core.json") })],
    onwarn({ message }) {
      throw new Error(message);
    },
  });
  // Who has no library for `using` among theirs gets it from here.
  const banner = '/// <reference lib="esnext.disposable" />';
  const { output } = await bundle.generate({ format: "es", banner });
  await bundle.close();
  return output[0].code;
}
