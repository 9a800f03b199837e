/** What a developer should be told about an app's schema: nothing of it is wrong, and all of it will hurt. */
import type { OpenDto } from "./engine.js";
import { appError } from "./errors.js";

/** Fields of an entity above which local data is no longer light. */
const FIELDS_ADVISED = 50;
/** Bytes of a record above which local data is no longer light. */
const ROW_BYTES_ADVISED = 64 * 1024;

export function adviseOnSchema({ url, schema: { entities, units } }: OpenDto): void {
  for (const { name, fields } of entities) {
    if (fields.length > FIELDS_ADVISED) {
      const message = `${name} has ${fields.length} fields; declare only those that the app uses, ${FIELDS_ADVISED} at most`;
      warn("schema/many-fields", message);
    }
    if (url !== null && !units.some(({ push, pull }) => push.includes(name) || pull.includes(name))) {
      warn("schema/no-unit", `${name} is in no sync unit, so it is never sent and never received`);
    }
  }
}

const told = new Set<string>();

/** Told once per entity. `bytes` is what a write has as JSON. */
export function adviseOnSize(entity: string, bytes: number): void {
  if (bytes <= ROW_BYTES_ADVISED || told.has(entity)) return;
  told.add(entity);
  warn("value/large-row", `a record of ${entity} has ${bytes} bytes; large data makes every sync slow, use attachments`);
}

function warn(code: string, message: string): void {
  console.warn("whimbrel:", appError(code, message));
}
