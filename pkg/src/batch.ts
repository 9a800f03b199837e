/** Several writes that happen together or not at all. */
import { type AnyFields, createDto, deleteDto, updateDto } from "./collection.js";
import type { WriteDto } from "./engine.js";
import { appError } from "./errors.js";
import type { CreateInput, UpdateInput, WritableName } from "./infer.js";
import type { RecordShape } from "./records.js";
import type { Entities, Entity } from "./schema.js";

interface BatchAppend<Create> {
  /** Adds a new record to the batch. Its id can be used at once, for a `ref` of another record. */
  create(fields: Create): { readonly id: string };
}

interface BatchWrite<Create, Update> extends BatchAppend<Create> {
  /** Adds a change of some fields to the batch. */
  update(id: string, fields: Update): void;
  /** Adds a deletion to the batch. */
  delete(id: string): void;
}

type BatchOf<E extends Entity> = E["policy"] extends "appendOnly"
  ? BatchAppend<CreateInput<E>>
  : BatchWrite<CreateInput<E>, UpdateInput<E>>;

/** What `db.batch` hands to its function: the entities that may be written. */
export type Batch<E extends Entities> = { readonly [N in WritableName<E>]: BatchOf<E[N]> };

/** What a batch's function has asked for, in its order. The function is synchronous: what it does later would be in no batch. */
export function collectBatch(shapes: ReadonlyMap<string, RecordShape>, fill: (batch: never) => unknown): WriteDto[] {
  const writes: WriteDto[] = [];
  let open = true;
  const add = <W extends WriteDto>(write: W): W => {
    if (!open) throw appError("batch/invalid", "the batch has ended: its function adds everything before it returns");
    writes.push(write);
    return write;
  };
  const batch = Object.fromEntries([...shapes].map(([name, shape]) => [name, entityBatch(shape, add)]));
  try {
    const result = fill(batch as never);
    if (result instanceof Promise) {
      result.catch(() => {});
      throw appError("batch/invalid", "a batch's function is not async: prepare first, then add everything at once");
    }
  } finally {
    open = false;
  }
  return writes;
}

function entityBatch(shape: RecordShape, add: <W extends WriteDto>(write: W) => W): BatchWrite<AnyFields, AnyFields> {
  return {
    create: (fields) => ({ id: add(createDto(shape, fields)).id }),
    update: (id, fields) => void add(updateDto(shape, id, fields)),
    delete: (id) => void add(deleteDto(shape, id)),
  };
}
