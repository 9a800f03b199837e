import { describe, expect, it } from "vitest";

import { createOpen } from "../../pkg/src/open.js";
import { entity, integer, text, timestamp } from "../../pkg/src/schema.js";
import type { StepsByVersion } from "../../pkg/src/steps.js";
import { errorDto, FakeModule } from "./fake-engine.js";
import { codeOf, errorOf } from "./rounds.js";

const entities = { order: entity({ name: text(), floor: integer() }) };

async function opened(steps: StepsByVersion, version = 3): Promise<FakeModule> {
  const module = new FakeModule();
  await createOpen(async () => module)({ name: "a", entities, version, steps });
  return module;
}

describe("steps", () => {
  it("reach the engine by ascending version, in their order", async () => {
    const { opened: dtos } = await opened({
      3: (s) => s.removeEntity("tag").renameEntity("workOrder", "order").remove("order", "legacy"),
      2: (s) => s.rename("workOrder", "title", "name").convert("workOrder", "floor", Number),
    });
    expect(dtos[0]?.steps).toEqual([
      { version: 2, entity: "workOrder", op: "rename", field: "title", to: "name" },
      { version: 2, entity: "workOrder", op: "convert", field: "floor", by: 0 },
      { version: 3, entity: "tag", op: "removeEntity" },
      { version: 3, entity: "workOrder", op: "renameEntity", to: "order" },
      { version: 3, entity: "order", op: "remove", field: "legacy" },
    ]);
  });

  it("convert what the engine asks for", async () => {
    const { engine } = await opened({
      2: (s) => s.convert("order", "floor", (old: string) => Number(old)),
      3: (s) => s.convert("order", "at", (old: string) => (old === "" ? null : new Date(old))),
    });
    expect(engine.host?.convert(0, '["4","-1"]')).toBe("[4,-1]");
    expect(engine.host?.convert(1, '["2026-01-02","",true]')).toBe("[1767312000000,null,1]");
  });

  it("fail with what the function threw", async () => {
    const module = new FakeModule();
    const mistake = new TypeError("no such floor");
    const steps: StepsByVersion = {
      2: (s) =>
        s.convert("order", "floor", () => {
          throw mistake;
        }),
    };
    module.open = async (_dto, host) => {
      expect(() => host.convert(0, '["4"]')).toThrow(mistake);
      throw errorDto("schema/step-failed", { message: "no such floor" });
    };
    const error = await errorOf(() => createOpen(async () => module)({ name: "a", entities, version: 2, steps }));
    expect(error).toMatchObject({ code: "schema/step-failed", message: "no such floor", cause: mistake });
  });

  it("give what can be stored", async () => {
    for (const made of [Number.NaN, undefined, {}, new Date(Number.NaN)]) {
      const { engine } = await opened({ 2: (s) => s.convert("order", "floor", () => made as never) });
      expect(await codeOf(() => engine.host?.convert(0, "[1]"))).toBe("schema/step-failed");
    }
  });

  it("lead to the versions from 2 to the present one", async () => {
    for (const steps of [{ 1: () => {} }, { 4: () => {} }, { 2.5: () => {} }, { two: () => {} }, { 2: "rename" }]) {
      expect(await codeOf(() => opened(steps as never))).toBe("schema/invalid");
    }
    expect(await codeOf(() => opened("rename" as never))).toBe("open/invalid");
  });
});

describe("a default", () => {
  it("is what a record has that is made without one", async () => {
    const module = new FakeModule();
    const at = new Date(5);
    const visit = entity({ state: text().default("open").max(5), at: timestamp().default(at), note: text().optional() });
    const db = await createOpen(async () => module)({ name: "a", entities: { visit } });
    expect(module.opened[0]?.schema.entities[0]?.fields).toMatchObject([{ default: "open", max: 5 }, { default: 5 }, {}]);
    const made = await db.visit.create({});
    expect({ ...made }).toEqual({ id: made.id, state: "open", at, note: null });
    expect({ ...(await db.visit.create({ state: "done", at: undefined })) }).toMatchObject({ state: "done", at });
  });
});
