/**
 * What an app may hand to the package by mistake. Runs in the page as a whole, with the package as it is published beside the demo's
 * open database, so it may refer to nothing outside of itself.
 */
export async function makeMistakes(packageUrl: string): Promise<Record<string, string>> {
  const { open, entity, text } = (await import(packageUrl)) as typeof import("whimbrel");
  // What the compiler would forbid is the point.
  const db = window.whimbrelDemo!.db as any;
  const openAny = open as any;
  const [known] = await window.whimbrelDemo!.db.workOrder.query();
  const { id, ...good } = known!;
  const note = entity({ body: text() });
  const cycle: Record<string, unknown> = {};
  cycle["again"] = cycle;
  const nested = (levels: number): unknown => {
    let value: unknown = "a";
    for (let level = 0; level < levels; level++) value = { value };
    return value;
  };
  const mistakes: Record<string, () => unknown> = {
    "an unknown entity": () => db.entity("invoice").create({ title: "a" }),
    "a unit of an unknown entity": () => openAny({ name: "x", entities: { note }, units: { all: ["invoice"] } }),
    "an unknown field": () => db.workOrder.create({ ...good, colour: "red" }),
    "an unknown field in an update": () => db.workOrder.update(id, { colour: "red" }),
    "an unknown field in a query": () => db.workOrder.query({ where: { colour: "red" } }),
    "a number for a text": () => db.workOrder.create({ ...good, title: 4 }),
    "a text for a time": () => db.workOrder.update(id, { dueAt: "tomorrow" }),
    "a time that is none": () => db.workOrder.create({ ...good, dueAt: new Date("never") }),
    "a number that is none": () => db.workOrder.create({ ...good, title: NaN }),
    "a text over its limit": () => db.workOrder.create({ ...good, title: "a".repeat(201) }),
    "a missing field": () => db.workOrder.create({ title: "a" }),
    "a field emptied that must have a value": () => db.workOrder.update(id, { title: null }),
    "a write to a read-only entity": () => db.place.create({ name: "Nowhere", country: "KE", lat: 0, lng: 0 }),
    "a delete in a read-only entity": async () => db.place.delete((await db.place.first()).id),
    "an object that contains itself": () => db.workOrder.create({ ...good, title: cycle }),
    "an object 65 levels deep": () => db.workOrder.create({ ...good, title: nested(65) }),
    "an object 100,000 levels deep": () => db.workOrder.create({ ...good, title: nested(100_000) }),
    "the key __proto__": () => db.workOrder.create(JSON.parse('{"__proto__": {"title": "a"}}')),
    "a function": () => db.workOrder.create({ ...good, title: () => "a" }),
    "an id that is not text": () => db.workOrder.get(4),
    "an empty id": () => db.workOrder.create({ ...good, id: "" }),
    "an id that is taken": () => db.workOrder.create({ ...good, id }),
    "an update of nothing": () => db.workOrder.update("nobody", { title: "a" }),
    "an unknown unit": () => db.sync.trigger("evrything"),
    "a query with an unknown part": () => db.workOrder.query({ were: {} }),
    "a batch with one bad write": () =>
      db.batch((batch: any) => {
        batch.workOrder.create(good);
        batch.workOrder.delete(id);
        batch.workOrder.create({ ...good, title: 4 });
      }),
  };
  const codes: Record<string, string> = {};
  for (const [what, make] of Object.entries(mistakes)) {
    try {
      await make();
      codes[what] = "no error";
    } catch (error) {
      // By name: the demo's copy of the package is another one than this.
      const { name, code } = error as { name: string; code: string };
      codes[what] = name === "WhimbrelError" ? code : String(error);
    }
  }
  return codes;
}
