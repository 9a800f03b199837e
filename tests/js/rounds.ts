/** A database over a fake engine, and what the tests need around it. */
import { WhimbrelError } from "../../pkg/src/errors.js";
import { createOpen } from "../../pkg/src/open.js";
import { type Entities, entity, ref, text, timestamp } from "../../pkg/src/schema.js";
import { FakeModule } from "./fake-engine.js";

export const entities = {
  place: entity({ name: text() }, { sync: "readOnly" }),
  workOrder: entity(
    { title: text().max(200), placeId: ref("place").optional(), dueAt: timestamp().index().optional() },
    { sync: "detectConflicts" },
  ),
  note: entity({ body: text() }),
} satisfies Entities;

export async function openRounds(module: FakeModule = new FakeModule()) {
  const open = createOpen(async () => module);
  const db = await open({
    name: "rounds",
    entities,
    units: { home: ["place", "workOrder", "note"], send: { push: ["note"] } },
  });
  const { engine } = module;
  engine.calls.length = 0;
  return { db, engine, module };
}

/** Lets everything that is already on its way arrive. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The error that a call gives, thrown or rejected. */
export async function errorOf(call: () => unknown): Promise<WhimbrelError> {
  try {
    await call();
  } catch (thrown) {
    if (thrown instanceof WhimbrelError) return thrown;
    throw new Error("this is not a WhimbrelError", { cause: thrown });
  }
  throw new Error("nothing was thrown");
}

/** The code of the error that a call gives. */
export const codeOf = async (call: () => unknown): Promise<string> => (await errorOf(call)).code;
