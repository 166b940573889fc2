// Promises that may be forgotten: reported once if they fail, and never an unhandled rejection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AttendedPromise } from "../../src/attended.ts";
import { until } from "../support/watchdog.ts";

/** Some turns, in which a report would come. */
async function turns(): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setTimeout(resolve, 1));
}

function failing(reports: unknown[], after?: Promise<void>): Promise<number> {
  const promise = after === undefined
    ? Promise.reject(new Error("no"))
    : after.then(() => Promise.reject(new Error("no")));
  return AttendedPromise.of(promise, (error) => void reports.push((error as Error).message));
}

for (const when of ["now", "later"] as const) {
  const after = () => when === "now" ? undefined : new Promise<void>((done) => setTimeout(done, 2));

  test(`a failure ${when} that was forgotten is reported once`, async () => {
    const reports: unknown[] = [];
    failing(reports, after());
    failing(reports, after()).then(() => {});
    failing(reports, after()).finally(() => {});
    await until(() => reports.length === 3, "reports");
    await turns();
    assert.deepEqual(reports, ["no", "no", "no"]);
  });

  test(`a failure ${when} that something waits for is not reported`, async () => {
    const reports: unknown[] = [];
    await assert.rejects(failing(reports, after()), /no/);
    await assert.rejects(Promise.all([failing(reports, after())]), /no/);
    assert.equal(await failing(reports, after()).catch(() => 1), 1);
    assert.equal(await failing(reports, after()).then(() => 1, () => 2), 2);
    await turns();
    assert.deepEqual(reports, []);
  });
}

test("a value arrives as it is", async () => {
  const report = (): void => assert.fail("reported");
  assert.equal(await AttendedPromise.of(Promise.resolve(5), report), 5);
  assert.equal(await AttendedPromise.of(Promise.resolve(5), report).then((n) => n + 1), 6);
});
