/** A schema that contradicts itself is a compile error. */
import { expectTypeOf } from "vitest";

import { type CreateInput, type Database, entity, integer, open, type RecordOf, ref, text, timestamp } from "../../pkg/src/index.js";

const note = entity({ body: text() });
const place = entity({ name: text() }, { sync: "readOnly" });

// @ts-expect-error there is no such policy
entity({ body: text() }, { sync: "sometimes" });
// @ts-expect-error the id is not declared
entity({ id: text(), body: text() });
// @ts-expect-error only text has a length
integer().max(5);
// @ts-expect-error only text has a length
timestamp().optional().max(5);

text().optional().index().max(5).max(6);
text().unique().max(5).optional();
integer().unique().optional();
entity({ a: text(), b: integer() }, { indexes: [["a", "b"], ["b"]], unique: [["b", "a"]], sync: "merge" });
// @ts-expect-error there is no such field
entity({ a: text() }, { indexes: [["b"]] });
// @ts-expect-error there is no such field
entity({ a: text() }, { unique: [["a", "b"]] });
// @ts-expect-error an index has a field
entity({ a: text() }, { indexes: [[]] });
// @ts-expect-error a list of lists
entity({ a: text() }, { indexes: ["a"] });
text().max(5).optional();

const state = text().oneOf("open", "done").max(5).optional().index();
const job = entity({ state, kind: text().optional().oneOf("a", "b"), size: text().oneOf("s", "l") });
expectTypeOf<RecordOf<typeof job>>().toEqualTypeOf<{
  readonly id: string;
  readonly state: "open" | "done" | null;
  readonly kind: "a" | "b" | null;
  readonly size: "s" | "l";
}>();
// @ts-expect-error there must be something to choose from
text().oneOf();
// @ts-expect-error only text is one of a list
integer().oneOf("a");

const link = entity(
  { noteId: ref("note"), placeId: ref("place", { onDelete: "cascade" }), rank: integer().optional() },
  { pair: ["noteId", "placeId"], sync: "detectConflicts" },
);
expectTypeOf<RecordOf<typeof link>>().toEqualTypeOf<{
  readonly id: string;
  readonly noteId: string;
  readonly placeId: string;
  readonly rank: number | null;
}>();
expectTypeOf<CreateInput<typeof link>>().toEqualTypeOf<{
  readonly id?: undefined;
  readonly noteId: string;
  readonly placeId: string;
  readonly rank?: number | null | undefined;
}>();
expectTypeOf<CreateInput<typeof note>["id"]>().toEqualTypeOf<string | undefined>();
// @ts-expect-error a pair is of refs
entity({ noteId: ref("note"), rank: integer() }, { pair: ["noteId", "rank"] });
// @ts-expect-error both are always there
entity({ noteId: ref("note"), placeId: ref("place").optional() }, { pair: ["noteId", "placeId"] });
// @ts-expect-error there is no such field
entity({ noteId: ref("note"), placeId: ref("place") }, { pair: ["noteId", "place"] });
// @ts-expect-error two
entity({ noteId: ref("note") }, { pair: ["noteId"] });

const parent = ref("note", { onDelete: "cascade" });
expectTypeOf(parent).toEqualTypeOf(ref("note"));
entity({ a: ref("note", { onDelete: "restrict" }).optional(), b: ref("note", { onDelete: "setNull" }).index().optional() });
expectTypeOf(ref("note", { onDelete: "setNull" }).optional()).toEqualTypeOf(ref("note").optional());
// @ts-expect-error what can become null is optional
entity({ a: ref("note", { onDelete: "setNull" }) });
// @ts-expect-error there is no such word
ref("note", { onDelete: "ignore" });

// @ts-expect-error a ref names an entity that is there
void open({ name: "a", entities: { note: entity({ workOrderId: ref("workOrdr") }) } });
// @ts-expect-error `sync` is a part of the database
void open({ name: "a", entities: { sync: note } });
// @ts-expect-error a database with an entity `then` would be a promise
void open({ name: "a", entities: { then: note } });
// @ts-expect-error there is no such entity
void open({ name: "a", entities: { note }, units: { home: ["note", "place"] } });
// @ts-expect-error there is no such entity
void open({ name: "a", entities: { note }, units: { home: { pull: ["place"] } } });
// @ts-expect-error what is read-only is never sent
void open({ name: "a", entities: { note, place }, units: { home: { push: ["place"] } } });
// @ts-expect-error there is no such unit
void open({ name: "a", entities: { note }, units: { home: ["note"] }, auto: { start: "hom" } });
// @ts-expect-error there is no such unit
void open({ name: "a", entities: { note }, units: { home: ["note"] }, auto: { every: { unit: "hom", seconds: 5 } } });
// @ts-expect-error there is no such durability
void open({ name: "a", entities: { note }, durability: "maybe" });
// @ts-expect-error a server has a URL
void open({ name: "a", entities: { note }, server: { token: "t" } });
// @ts-expect-error a database has a name
void open({ entities: { note } });

// @ts-expect-error a ref that is enforced names an entity that is there, too
void open({ name: "a", entities: { note: entity({ a: ref("nowhere", { onDelete: "cascade" }) }) } });

export async function choices(): Promise<void> {
  const db = await open({ name: "a", entities: { job } });
  await db.job.create({ size: "s", state: "open" });
  await db.job.query({ where: { state: "done", size: { in: ["s", "l"] }, kind: { startsWith: "a" } } });
  // @ts-expect-error it is none of them
  await db.job.create({ size: "m" });
  // @ts-expect-error it is none of them
  await db.job.update("a", { state: "dome" });
  // @ts-expect-error it is none of them
  await db.job.query({ where: { state: "dome" } });
}

/** Refs may point to the entity itself, and to each other. */
export const tree = () => open({ name: "a", entities: { node: entity({ parentId: ref("node").optional() }) } });
export const pair = () => open({ name: "a", entities: { a: entity({ b: ref("b") }), b: entity({ a: ref("a") }) } });

/** Without units there is one, `all`. */
export async function defaultUnit(): Promise<void> {
  const db = await open({ name: "a", entities: { note } });
  expectTypeOf(db).toEqualTypeOf<Database<{ note: typeof note }, "all">>();
  db.sync.trigger("all");
  // @ts-expect-error there is no such unit
  db.sync.trigger("home");
}

/** Units may be declared apart from `open`, when they are constant. */
export async function unitsApart(): Promise<void> {
  const units = { home: ["note"], reference: { pull: ["place"] } } as const;
  const db = await open({ name: "a", entities: { note, place }, units, auto: { start: "reference" } });
  db.sync.trigger(["home", "reference"]);
}

/** Steps have names that the present schema need not have; what their functions give can be stored. */
export const steps = () =>
  open({
    name: "a",
    entities: { note },
    version: 3,
    steps: {
      2: (s) => s.rename("workOrder", "title", "name").convert("workOrder", "floor", (old: string) => Number(old)),
      3: (s) => s.convert("note", "at", (old) => new Date(String(old))).removeEntity("workOrder"),
    },
  });
// @ts-expect-error a list cannot be stored
void open({ name: "a", entities: { note }, steps: { 2: (s) => s.convert("note", "body", () => [1]) } });
// @ts-expect-error no value is a list
void open({ name: "a", entities: { note }, steps: { 2: (s) => s.convert("note", "body", (old: string[]) => old[0] ?? "") } });
// @ts-expect-error there is no such step
void open({ name: "a", entities: { note }, steps: { 2: (s) => s.renam("note", "text", "body") } });

/** A field with a default may be left out, and always has a value. */
const visit = entity({ state: text().default("open").index().max(9), at: timestamp().default(new Date(0)), by: text().optional() });
expectTypeOf<CreateInput<typeof visit>>().toEqualTypeOf<{
  readonly id?: string | undefined;
  readonly state?: string | undefined;
  readonly at?: Date | undefined;
  readonly by?: string | null | undefined;
}>();
expectTypeOf<RecordOf<typeof visit>["state"]>().toEqualTypeOf<string>();
// @ts-expect-error a default is of the field's type
integer().default("5");
// @ts-expect-error text is what text has
text().default(5);
