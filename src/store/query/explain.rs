//! How a query would be answered, for those who want it quicker.

use serde::Serialize;

use super::super::handle::Store;
use super::super::view::{Interrupt, View};
use super::access::{self, Access, Chosen, Need};
use crate::error::Result;
use crate::json::to_text;
use crate::model::{Query, Table};
use crate::ports::Storage;

/// The way to a query's rows, as an app is told of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan<'t> {
    /// `ids`, `index` or `rows`.
    access: &'static str,
    /// The fields of the index.
    index: Option<Vec<&'t str>>,
    /// Parts of the index or of the rows that are read, or ids.
    ranges: usize,
    /// Whether rows come in the order of the query, so that its limit ends the reading.
    ordered: bool,
    /// Whether every row that is read is one that the filter finds.
    exact: bool,
    /// Rows that are read, about.
    estimated_rows: u64,
    /// Rows there are, about.
    total_rows: u64,
}

impl<S: Storage> Store<S> {
    /// How a query would be answered now, as JSON. No row is read for it.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn explain(&self, query: &Query) -> impl Future<Output = Result<String>> {
        self.read(move |view| explain(view, query))
    }
}

fn explain(view: &View<'_>, query: &Query) -> Result<String, Interrupt> {
    let table = view.table(&query.entity)?;
    let Chosen { access, rows, total } = access::choose(view, table, query, Need::Rows);
    let (access, index, ranges, ordered, exact) = match access {
        Access::Ids(ids, is_ordered) => ("ids", None, ids.len(), is_ordered, false),
        Access::Index(walk) => {
            ("index", Some(names(table, walk.index)), walk.ranges.len(), walk.is_ordered, walk.is_exact)
        }
        Access::Rows(walk) => ("rows", None, walk.ranges.len(), walk.is_ordered, walk.is_exact),
    };
    let (estimated_rows, total_rows) = (rows as u64, total as u64);
    Ok(to_text(&Plan { access, index, ranges, ordered, exact, estimated_rows, total_rows })?)
}

fn names(table: &Table, index: usize) -> Vec<&str> {
    let slots = table.indexes.get(index).map_or(&[][..], |index| &index.slots);
    slots.iter().filter_map(|slot| table.columns.get(*slot)).map(|column| column.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::memory::MemoryStorage;
    use crate::model::{Entity, Field, FieldType, IndexSpec, Row, Schema, Value};
    use crate::ports::Durability;

    fn schema() -> Schema {
        let field = |name: &str, kind, index| Field { name: name.to_owned(), kind, index, ..Field::default() };
        let fields = vec![
            field("status", FieldType::text(None), true),
            field("due", FieldType::Timestamp, true),
            field("floor", FieldType::Integer, false),
        ];
        let index =
            |names: &[&str]| IndexSpec { fields: names.iter().map(|name| (*name).to_owned()).collect(), unique: false };
        let indexes = vec![index(&["status", "due"]), index(&["floor", "status", "due"])];
        let entity = Entity { name: "order".to_owned(), fields, indexes, ..Entity::default() };
        Schema { version: 1, entities: vec![entity], ..Schema::default() }
    }

    /// 1,000 rows: 4 states, 1,000 times, 10 floors.
    async fn store() -> Store<MemoryStorage> {
        let store = Store::open(MemoryStorage::new().connect(), schema(), Durability::Relaxed, None).await.unwrap();
        let write = |txn: &mut crate::store::Txn<'_>| {
            (0..1_000_i64).try_for_each(|number| {
                let status = ["open", "done", "late", "new"][(number % 4) as usize].to_owned();
                let values = vec![Value::Text(status), Value::Integer(number), Value::Integer(number % 10)];
                txn.put_row("order", &format!("{number:04}"), &Row { values, ..Row::default() })
            })
        };
        store.transact(write).await.unwrap();
        store.compact().await.unwrap();
        store
    }

    #[test]
    fn the_way_is_the_one_that_reads_least() {
        block_on(async {
            let store = store().await;
            let cases = [
                (json!({}), json!(["rows", null, 1, true, true, 1_000])),
                (json!({"limit": 5}), json!(["rows", null, 1, true, true, 5])),
                (json!({"where": {"id": {"in": ["0001", "0007"]}}}), json!(["ids", null, 2, true, false, 2])),
                (
                    json!({"where": {"floor": {"gt": 100}}}),
                    json!(["index", ["floor", "status", "due"], 1, false, true, 0]),
                ),
                (
                    json!({"where": {"status": "open", "due": {"lt": 40}}}),
                    json!(["index", ["status", "due"], 1, false, true, 10]),
                ),
                (
                    json!({"where": {"status": "open"}, "orderBy": {"due": "asc"}, "limit": 50}),
                    json!(["index", ["status", "due"], 1, true, true, 50]),
                ),
                (
                    json!({"where": {"status": "open"}, "orderBy": {"due": "desc"}, "limit": 50}),
                    json!(["index", ["status", "due"], 1, true, true, 50]),
                ),
                (
                    json!({"where": {"status": {"in": ["open", "done"]}, "due": 4}}),
                    json!(["index", ["status", "due"], 2, false, true, 1]),
                ),
                (
                    json!({"where": {"status": {"in": ["open", "done"]}, "floor": 3}}),
                    json!(["index", ["floor", "status", "due"], 2, false, true, 50]),
                ),
                (
                    json!({"orderBy": [{"status": "desc"}, {"due": "desc"}], "limit": 9}),
                    json!(["index", ["status", "due"], 1, true, false, 9]),
                ),
                (
                    json!({"orderBy": [{"status": "asc"}, {"due": "desc"}], "limit": 9}),
                    json!(["index", ["status"], 1, false, false, 18]),
                ),
                (
                    json!({"orderBy": {"due": "asc"}, "limit": 9, "after": {"due": 500, "id": "0500"}}),
                    json!(["index", ["due"], 1, true, false, 9]),
                ),
                (
                    json!({"orderBy": {"due": "asc"}, "after": {"due": 994, "id": "0994"}}),
                    json!(["index", ["due"], 1, true, false, 5]),
                ),
                (json!({"where": {"due": {"gte": 0}}}), json!(["rows", null, 1, true, false, 1_000])),
            ];
            for (query, expected) in cases {
                let parsed = serde_json::from_value(query.clone()).unwrap();
                let parsed = Query::parse("order", &parsed, &store.schema()).unwrap();
                let plan: Json = serde_json::from_str(&store.explain(&parsed).await.unwrap()).unwrap();
                assert_eq!(plan["totalRows"], 1_000);
                let parts =
                    ["access", "index", "ranges", "ordered", "exact", "estimatedRows"].map(|part| plan[part].clone());
                assert_eq!(Json::from(parts.to_vec()), expected, "{query}");
            }
        });
    }
}
