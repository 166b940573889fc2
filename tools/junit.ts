// Reads the JUnit reports of deno test, bun test, node's test runner and ctest: which tests there
// were, and how each ended. Groups are not counted, only what is inside them.

export type Outcome = "passed" | "failed" | "skipped";

export interface TestCase {
  name: string;
  outcome: Outcome;
  /** Why it was skipped, where the runner reports it (Deno and Bun don't). */
  reason: string;
}

const tag = /<(\/?)(testsuite|testcase|failure|error|skipped)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>/g;

export function parseJUnit(xml: string): TestCase[] {
  const cases: TestCase[] = [];
  const suites: string[] = [];
  for (const [, close, element, attributes = "", selfClosed] of xml.matchAll(tag)) {
    const current = cases.at(-1);
    if (element === "testsuite") {
      if (close) suites.pop();
      else if (!selfClosed) suites.push(attribute(attributes, "name"));
    } else if (close) {
      continue;
    } else if (element === "testcase") {
      // Deno has no nested suites, it joins the names of a group and its tests by " > ".
      const name = [...suites.filter((suite) => !isFile(suite)), attribute(attributes, "name")];
      cases.push({ name: name.join(" > "), outcome: "passed", reason: "" });
      if (attribute(attributes, "status") === "notrun") cases.at(-1)!.outcome = "skipped";
    } else if (current && element === "skipped") {
      const reason = attribute(attributes, "message");
      current.outcome = "skipped";
      current.reason = reason === "true" ? "" : reason;
    } else if (current) {
      current.outcome = "failed";
    }
  }
  return withoutGroups(cases);
}

/** Drops what Deno reports for a group itself, unless the group failed and nothing inside did. */
function withoutGroups(cases: TestCase[]): TestCase[] {
  return cases.filter((group) => {
    const inside = cases.filter((other) => other.name.startsWith(`${group.name} > `));
    if (inside.length === 0) return true;
    return group.outcome === "failed" && !inside.some((test) => test.outcome === "failed");
  });
}

/** The outermost suites are called after the module (Deno, Bun) or nothing (ctest), not a group. */
const isFile = (suite: string) => /\.ts$|^ext:|^\(empty\)$/.test(suite);

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value.replace(/&(lt|gt|quot|apos|amp|#10);/g, (entity) => entities[entity] ?? entity);
}

const entities: Record<string, string> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
  "&#10;": "\n",
};
