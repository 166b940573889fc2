// The layers of src/: imports run one way, downwards in this list, and never in a circle.
// `npm run check` enforces it.

const layers = [
  ["cli", "bridge"],
  ["channel", "rpc", "topic", "queue", "pipe", "sync"], // patterns: none imports another
  ["connection"],
  ["share"], // shared memory by reference
  ["ring"],
  ["membership"],
  ["wake"],
  ["memory"],
  ["platform"],
];

/** Not layers: anyone may import these, and they import none of the layers. */
const leaves = [
  "^src/codec/",
  "^src/(attended|errors|failures|options|stacks|statistics|timers)\\.ts$",
];

const rooms = (names) => `^src/(${names.join("|")})/`;

/** A room may import the rooms below it and the leaves. */
const downwards = layers.map((names, index) => ({
  name: `${names[0]}-imports-downwards`,
  severity: "error",
  from: { path: rooms(names) },
  to: {
    path: "^src/",
    // $1 is the importing file's own room
    pathNot: [...leaves, "^src/$1/", ...layers.slice(index + 1).map(rooms)],
  },
}));

export default {
  forbidden: [
    ...downwards,
    {
      name: "leaves-import-no-layer",
      severity: "error",
      from: { path: leaves },
      to: { path: rooms(layers.flat()) },
    },
    {
      name: "no-circles",
      severity: "error",
      from: { path: "^(src|tools|bench|mod\\.ts)" },
      to: { circular: true },
    },
    {
      name: "src-is-self-contained",
      comment: "src imports src and the packages users install, never mod.ts or the rest",
      severity: "error",
      from: { path: "^src/" },
      to: { pathNot: ["^src/", "^node_modules/"], dependencyTypesNot: ["core"] },
    },
    {
      name: "only-platform-names-a-runtime",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/platform/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "src-uses-no-dev-dependency",
      severity: "error",
      from: { path: "^(src/|mod\\.ts)" },
      to: { dependencyTypes: ["npm-dev", "npm-optional", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "mod-exports-src",
      severity: "error",
      from: { path: "^mod\\.ts$" },
      to: { pathNot: "^src/" },
    },
    {
      name: "resolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^examples/install/" }, // projects of their own
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.core.json" },
    builtInModules: { add: ["bun", "bun:ffi", "ffi"] },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node"] },
  },
};
