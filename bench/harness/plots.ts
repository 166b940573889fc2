// A plot per question: the median of each pair as a dot, the range of runs or rounds as a line. Of a
// latency it is the p50.

import fs from "node:fs";
import path from "node:path";
import { parse, View } from "vega";
import { compile } from "vega-lite";
import type { TopLevelSpec } from "vega-lite";
import type { Answer, Spread } from "./answers.ts";

export async function writePlots(answers: Answer[], folder: string): Promise<void> {
  fs.mkdirSync(folder, { recursive: true });
  for (
    const [name, group] of Object.entries(Object.groupBy(answers, (answer) => answer.question))
  ) {
    const file = path.join(folder, `${name}.svg`);
    fs.writeFileSync(file, await svg(group!));
    console.log(file);
  }
}

function svg(answers: Answer[]): Promise<string> {
  const { unit, asks } = answers[0]!.row;
  const values = answers.flatMap(({ pair, row, figures }) => {
    const { measured, peer } = figures[row.metrics[0]!]!;
    const point = (subject: string, { min, median, max }: Spread) => ({
      pair,
      subject,
      min: min / unit.size,
      median: median / unit.size,
      max: max / unit.size,
    });
    return [point(row.subject, measured), ...(peer ? [point(row.peer!, peer)] : [])];
  });
  const across = { field: "subject", type: "nominal" as const };
  const scale = { type: "symlog" as const, constant: 0.1 };
  const y = { type: "quantitative" as const, scale, title: unit.name };
  const spec: TopLevelSpec = {
    title: asks,
    background: "white",
    data: { values },
    encoding: {
      x: { field: "pair", type: "nominal", title: "client–server", axis: { labelAngle: -30 } },
      xOffset: across,
      color: { ...across, title: null },
    },
    layer: [
      { mark: { type: "rule" }, encoding: { y: { ...y, field: "min" }, y2: { field: "max" } } },
      {
        mark: { type: "point", filled: true, size: 60 },
        encoding: { y: { ...y, field: "median" } },
      },
    ],
    width: { step: 18 },
    height: 260,
  };
  return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
}
