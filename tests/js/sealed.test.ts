/** What an app can reach of the package: what is meant for it, and nothing that drives the engine from outside. */
import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import * as whimbrel from "../../pkg/src/index.js";
import { openRounds } from "./rounds.js";

const packageJson = JSON.parse(readFileSync(new URL("../../pkg/package.json", import.meta.url), "utf8")) as {
  exports: object;
};

describe("the package", () => {
  it("R11: is sealed: its entries are those that are declared, with the names that are documented", () => {
    for (const entry of Object.keys(packageJson.exports)) expect(entry).toMatch(/^\.(\/[a-z-]+(\.json)?)?$/);
    const readme = readFileSync(new URL("../../pkg/README.md", import.meta.url), "utf8");
    for (const name of Object.keys(whimbrel)) expect(readme, name).toContain(name);
    expect(Object.keys(whimbrel)).not.toContain("Engine");
  });

  it("R10: has no sync action of an entity, nor (R1: impossible) anything that ends a run", async () => {
    const { db } = await openRounds();
    const reachable = (value: object): string[] => {
      const names = new Set<string>();
      for (let at: object | null = value; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) {
        for (const name of Object.getOwnPropertyNames(at)) names.add(name);
      }
      return [...names];
    };
    const forbidden = /^(push|pull|end|start|sync[A-Z].*|run|drain|flush)$/;
    for (const part of [db.workOrder, db.place, db.sync, db.network]) {
      expect(reachable(part).filter((name) => forbidden.test(name))).toEqual([]);
    }
  });

  it("R20: runs what nobody listens to", async () => {
    const { db, engine } = await openRounds();
    const { settled } = db.sync.trigger("home");
    engine.emit({ type: "start", run: "r1", unit: "home", cause: "app" });
    engine.emit({ type: "settled", requests: [1], outcome: "complete", run: "r1", error: null });
    expect(await settled).toEqual({ outcome: "complete", run: "r1" });
  });
});
