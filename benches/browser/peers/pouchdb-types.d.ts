/** What the bench uses of PouchDB, which has no types; the public ones change Node's `Buffer` for everybody. */
declare module "pouchdb-browser" {
  export type Found<T> = T & { readonly _id: string; readonly _rev: string };

  interface Result {
    readonly error?: boolean;
  }

  interface RowsOf<Value, T> {
    readonly rows: readonly { readonly id: string; readonly value: Value; readonly doc?: Found<T> | null }[];
  }

  interface Range {
    readonly limit?: number;
    readonly include_docs?: boolean;
  }

  export default class PouchDB<T> {
    constructor(name: string, options: { readonly adapter: string; readonly view_update_changes_batch_size: number });
    info(): Promise<object>;
    get(id: string): Promise<Found<T>>;
    put<Document extends { readonly _id: string }>(document: Document): Promise<Result>;
    bulkDocs(documents: readonly (T & { readonly _id: string })[]): Promise<Result[]>;
    allDocs(options: Range & ({ readonly keys: readonly string[] } | { readonly startkey: string })): Promise<RowsOf<unknown, T>>;
    query<Value>(view: string, options: Range & { readonly key?: string; readonly reduce?: boolean }): Promise<RowsOf<Value, T>>;
  }
}
