//! `include` against a plain model: random records that refer to each other, random trees of includes, pages that come and go.
//!
//! A failing case is printed; `property/mod.rs` says how many there are and how to see one again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "store_include/model.rs"]
mod model;
mod property;

use std::cell::Cell;
use std::rc::Rc;

use futures_executor::block_on;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::error::Result;
use whimbrel::memory::{Call, MemoryStorage};
use whimbrel::model::{Query, Row, Value};
use whimbrel::ports::Durability;
use whimbrel::store::{Store, Txn};

use model::{Choices, ENTITIES, IDS, Model, Record, id, record, row, schema};

async fn put(store: &Store<MemoryStorage>, records: &[Record]) {
    let write = |txn: &mut Txn<'_>| {
        records.iter().try_for_each(|record| txn.put_row(ENTITIES[record.0].0, &id(record.1), &row(record)))
    };
    store.transact(write).await.unwrap();
}

async fn check(case: &(Vec<Record>, Vec<Record>, Vec<u8>, usize, bool)) {
    let (records, later, choices, cache, is_compact) = case;
    let disk = MemoryStorage::new();
    let open = || Store::open(disk.connect(), schema(), Durability::Relaxed, Some(*cache));
    let mut model = Model::default();
    let store = open().await.unwrap();
    put(&store, records).await;
    records.iter().for_each(|record| model.put(record));
    if *is_compact {
        store.compact().await.unwrap();
    }
    // With nothing in memory: every page is missing at first.
    let store = open().await.unwrap();
    let choices = Choices(choices, Cell::new(0));
    let entity = ENTITIES[[0, 1, 1, 1, 1, 2, 3, 4][choices.of(8)]].0;
    let query = choices.query(entity, 0, &mut 16);
    let parsed = Query::parse(entity, &serde_json::from_value(query.clone()).unwrap(), &schema()).unwrap();
    let (answer, footprint) = store.query(&parsed).await.unwrap();
    let before: Json = serde_json::from_str(&answer).unwrap();
    assert_eq!(before, Json::Array(model.query(entity, &query)), "{entity} {query}");

    let touched = Rc::new(Cell::new(false));
    let marked = Rc::clone(&touched);
    store.on_change(Box::new(move |change| marked.set(marked.get() | footprint.is_touched_by(change))));
    put(&store, later).await;
    later.iter().for_each(|record| model.put(record));
    let (answer, _) = store.query(&parsed).await.unwrap();
    let after: Json = serde_json::from_str(&answer).unwrap();
    assert_eq!(after, Json::Array(model.query(entity, &query)), "later: {entity} {query}");
    assert!(touched.get() || before == after, "a change went unnoticed: {entity} {query}");
}

#[test]
fn what_comes_along_is_what_the_model_says() {
    let case = || {
        (
            prop::collection::vec(record(), 0..120),
            prop::collection::vec(record(), 0..3),
            prop::collection::vec(any::<u8>(), 1..60),
            prop::sample::select(vec![0_usize, 60_000, 1 << 25]),
            any::<bool>(),
        )
    };
    property::check(100, case, |case| block_on(check(&case)));
}

fn parse(entity: &str, query: &Json) -> Result<Query> {
    Query::parse(entity, &serde_json::from_value(query.clone()).unwrap(), &schema())
}

/// Many parents: one walk instead of a look for each, and a footprint of whole maps.
#[test]
fn a_thousand_parents_cost_one_walk() {
    block_on(async {
        let store = Store::open(MemoryStorage::new(), schema(), Durability::Relaxed, None).await.unwrap();
        let text = |text: String| Value::Text(text);
        let fill = |txn: &mut Txn<'_>| {
            for number in 0..2_000 {
                let order = Row { version: 1, values: vec![text(format!("o{number}"))], ..Row::default() };
                txn.put_row("order", &format!("o{number}"), &order)?;
                let values = vec![text(format!("n{number}")), text(format!("o{}", number / 2))];
                txn.put_row("note", &format!("n{number}"), &Row { version: 1, values, ..Row::default() })?;
            }
            Ok(())
        };
        store.transact(fill).await.unwrap();
        let query =
            parse("order", &json!({ "include": { "notes": { "from": "note", "via": "orderId", "limit": 1 } } }));
        let (answer, _) = store.query(&query.unwrap()).await.unwrap();
        let orders: Json = serde_json::from_str(&answer).unwrap();
        for order in orders.as_array().unwrap() {
            let number: usize = order["id"].as_str().unwrap()[1..].parse().unwrap();
            let expected = if number < 1_000 { format!("[\"n{}\"]", 2 * number) } else { "[]".to_owned() };
            let first = |number: usize| format!("n{number}").min(format!("n{}", number + 1));
            let expected = if number < 1_000 {
                expected.replace(&format!("n{}", 2 * number), &first(2 * number))
            } else {
                expected
            };
            let ids: Vec<&Json> = order["notes"].as_array().unwrap().iter().map(|note| &note["id"]).collect();
            assert_eq!(json!(ids).to_string(), expected);
        }
    });
}

/// The pages that a level misses are asked for together, not one after the other.
#[test]
fn a_cold_store_is_asked_a_few_times() {
    block_on(async {
        let disk = MemoryStorage::new();
        let open = || Store::open(disk.connect(), schema(), Durability::Relaxed, None);
        let store = open().await.unwrap();
        let fill = |txn: &mut Txn<'_>| {
            for number in 0..400_usize {
                let (place, order) = (format!("p{}", number * 7 % 400), format!("o{number}"));
                let values = vec![Value::Text("x".repeat(2_000))];
                txn.put_row("place", &place, &Row { version: 1, values, ..Row::default() })?;
                let values = vec![Value::Null, Value::Text(place)];
                txn.put_row("order", &order, &Row { version: 1, values, ..Row::default() })?;
                let values = vec![Value::Text("x".repeat(2_000)), Value::Text(order)];
                txn.put_row("note", &format!("n{}", number * 7 % 400), &Row { version: 1, values, ..Row::default() })?;
            }
            Ok(())
        };
        store.transact(fill).await.unwrap();
        store.compact().await.unwrap();
        let store = open().await.unwrap();
        let (calls, pages) = (Rc::new(Cell::new(0)), store.stats().pages);
        let count = Rc::clone(&calls);
        disk.on_call(move |call| {
            count.set(count.get() + u32::from(call == Call::Pages));
            None
        });
        let include = json!({ "place": { "via": "placeId" }, "notes": { "from": "note", "via": "orderId" } });
        let query = parse("order", &json!({ "limit": 40, "include": include })).unwrap();
        let (answer, _) = store.query(&query).await.unwrap();
        assert_eq!(answer.matches("\"body\"").count(), 40);
        assert!(pages > 30 && calls.get() <= 4, "{} calls, {pages} pages", calls.get());
    });
}

/// A commit that cannot change the answer does not touch the footprint.
#[test]
fn only_what_came_along_counts() {
    block_on(async {
        let store = Store::open(MemoryStorage::new(), schema(), Durability::Relaxed, None).await.unwrap();
        // Order 0 at place 1, with note 2; order 4 at place 5, with note 6.
        let note = |number, order| (2, number, vec![0, order, IDS], false);
        let records =
            [(1, 0, vec![0, 1, IDS], false), (1, 4, vec![1, 5, IDS], false), (0, 1, vec![0, IDS], false), note(2, 0)];
        put(&store, &records).await;
        let include = json!({ "place": { "via": "placeId" }, "notes": { "from": "note", "via": "orderId" } });
        let query = parse("order", &json!({ "where": { "id": id(0) }, "include": include })).unwrap();
        let (_, footprint) = store.query(&query).await.unwrap();
        let touched = Rc::new(Cell::new(false));
        let marked = Rc::clone(&touched);
        store.on_change(Box::new(move |change| marked.set(footprint.is_touched_by(change))));
        for (record, expected) in [
            (note(6, 4), false),
            ((0, 5, vec![1, IDS], false), false),
            ((1, 4, vec![2, 5, IDS], false), false),
            (note(2, 0), true),
            (note(8, 0), true),
            ((0, 1, vec![3, IDS], false), true),
            ((1, 0, vec![3, 1, IDS], false), true),
        ] {
            put(&store, std::slice::from_ref(&record)).await;
            assert_eq!(touched.get(), expected, "{record:?}");
        }
    });
}

#[test]
fn each_mistake_has_its_code() {
    let cases = [
        (json!([]), "query/invalid: \"include\" takes an object"),
        (json!({"place": {}}), "query/invalid: include \"place\" has via; from and via; or through, via and to"),
        (json!({"place": {"via": 5}}), "query/invalid: include \"place\": \"via\" is a name"),
        (json!({"place": {"via": "nope"}}), "schema/unknown-field: order has no field \"nope\""),
        (json!({"place": {"via": "title"}}), "query/invalid: order.title refers to no records"),
        (json!({"place": {"via": "id"}}), "query/invalid: order.id refers to no records"),
        (json!({"title": {"via": "placeId"}}), "query/invalid: include \"title\": order has a field of that name"),
        (json!({"id": {"via": "placeId"}}), "query/invalid: include \"id\": order has a field of that name"),
        (
            json!({"a-b": {"via": "placeId"}}),
            "query/invalid: include \"a-b\": a name is a letter, then letters, digits and _",
        ),
        (
            json!({"place": {"via": "placeId", "limit": 1}}),
            "query/invalid: include \"place\" is one record: it has no \"limit\"",
        ),
        (json!({"notes": {"from": "nope", "via": "orderId"}}), "schema/unknown-entity: there is no entity \"nope\""),
        (
            json!({"notes": {"from": "note", "via": "placeId"}}),
            "query/invalid: note.placeId refers to place, not to order",
        ),
        (json!({"notes": {"from": "note", "via": "orderId", "were": {}}}), "query/invalid: a query has no \"were\""),
        (
            json!({"tags": {"through": "orderTag", "via": "orderId"}}),
            "query/invalid: include \"tags\" has via; from and via; or through, via and to",
        ),
    ];
    for (include, expected) in cases {
        let error = parse("order", &json!({ "include": include })).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
    let nested = |depth: usize| {
        (1..depth).fold(json!({ "via": "inId" }), |inner, _| json!({ "via": "inId", "include": { "up": inner } }))
    };
    assert!(parse("place", &json!({ "include": { "up": nested(4) } })).is_ok());
    assert!(parse("place", &json!({ "include": { "up": nested(5) } })).is_err());
    let many = |count: usize| {
        let includes = (0..count).map(|number| (format!("up{number}"), json!({ "via": "inId" })));
        json!({ "include": Json::Object(includes.collect()) })
    };
    assert!(parse("place", &many(16)).is_ok() && parse("place", &many(17)).is_err());
}
