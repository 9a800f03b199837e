//! Constraints against a simple model: three kinds of records that refer to each other in every way, unique values, and a server that checks what
//! arrives, in the order in which it arrives.
//!
//! A failing case is printed as the list of what happened; `property/mod.rs` says how many there are and how to see one again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "constraints/model.rs"]
mod model;
mod property;
#[path = "constraints/story.rs"]
mod story;

use std::cell::Cell;
use std::collections::BTreeSet;

use futures_executor::block_on;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::error::{Code, Error};
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldType, IndexSpec, OnDelete, Policy, Query, Row, Schema, Value};
use whimbrel::ports::Durability;
use whimbrel::store::{Batch, LocalWrite, Store, Txn, next_batch, settle};
use whimbrel_protocol::{Change, ChangeOutcome, Op, Outcome, PushRequest};

use model::{Rows, Server, Write};
use story::{Step, furniture, step};

type Tab = Store<MemoryStorage>;

/// What the model knows, too.
pub(crate) const ENTITIES: [&str; 3] = ["area", "room", "desk"];
const KINDS: [&str; 2] = ["office", "hall"];

fn schema() -> Schema {
    let reference = |entity: &str, on_delete| FieldType::Ref { entity: entity.to_owned(), on_delete };
    let field = |name: &str, kind, optional| Field { name: name.to_owned(), kind, optional, ..Field::default() };
    let unique =
        |fields: &[&str]| IndexSpec { fields: fields.iter().map(|&name| name.to_owned()).collect(), unique: true };
    let kind = FieldType::Text { max: None, one_of: KINDS.map(str::to_owned).to_vec() };
    let entity = |name: &str, fields, indexes| Entity { name: name.to_owned(), fields, indexes, ..Entity::default() };
    let entities = vec![
        entity(
            "area",
            vec![
                field("up", reference("area", OnDelete::SetNull), true),
                field("code", FieldType::Integer, true),
                field("old", reference("desk", OnDelete::Keep), true),
                field("note", FieldType::Integer, true),
            ],
            vec![unique(&["code"])],
        ),
        entity(
            "room",
            vec![
                field("area", reference("area", OnDelete::Cascade), false),
                field("next", reference("desk", OnDelete::Restrict), true),
                field("kind", kind, true),
                field("number", FieldType::Integer, true),
            ],
            vec![unique(&["area", "number"])],
        ),
        entity(
            "desk",
            vec![
                field("room", reference("room", OnDelete::Cascade), true),
                field("area", reference("area", OnDelete::Restrict), true),
                field("up", reference("desk", OnDelete::Cascade), true),
                field("note", FieldType::Integer, true),
            ],
            Vec::new(),
        ),
    ];
    Schema { version: 1, entities, ..Schema::default() }
}

async fn open(schema: Schema) -> Tab {
    connect(&MemoryStorage::new(), schema).await
}

async fn connect(disk: &MemoryStorage, schema: Schema) -> Tab {
    let store = Store::open(disk.connect(), schema, Durability::Relaxed, None).await.unwrap();
    store.ensure_client_id("c").await.unwrap();
    store
}

fn local((op, (entity, id), fields): &Write) -> LocalWrite {
    thread_local!(static LAST: Cell<u32> = const { Cell::new(0) });
    LAST.set(LAST.get() + 1);
    LocalWrite {
        op: *op,
        entity: (*entity).to_owned(),
        id: id.clone(),
        fields: serde_json::from_value(fields.clone()).unwrap(),
        change: format!("01935c2e-7a10-7fff-bfff-{:012x}", u64::from(LAST.get()) << 20),
        at: 0,
    }
}

async fn write(tab: &Tab, op: Op, entity: &'static str, id: &str, fields: Json) -> Result<(), String> {
    let done = tab.write(&[local(&(op, (entity, id.to_owned()), fields))]).await;
    done.map(|_| ()).map_err(|error: Error| error.to_string())
}

async fn rows(tab: &Tab, entities: &[&'static str]) -> Rows {
    let mut rows = Rows::new();
    for entity in entities {
        let (text, _) = tab.query(&Query::all(entity)).await.unwrap();
        for row in serde_json::from_str::<Vec<Json>>(&text).unwrap() {
            let mut fields = row.as_object().unwrap().clone();
            let id = fields.remove("id").unwrap().as_str().unwrap().to_owned();
            rows.insert((entity, id), fields.into_iter().collect());
        }
    }
    rows
}

/// Takes what is to be sent.
async fn send(tab: &Tab) -> Option<Batch> {
    let entities = ENTITIES.map(str::to_owned);
    tab.transact(|txn| next_batch(txn, &entities)).await.unwrap().value
}

/// The changes of a batch, as the server reads them.
fn changes(batch: &Batch) -> Vec<Change> {
    serde_json::from_str::<PushRequest>(&batch.body).unwrap().changes
}

async fn accept(tab: &Tab, batch: &Batch) {
    let outcome = |seq| ChangeOutcome { seq, outcome: Outcome::Accepted { version: seq } };
    let outcomes: Vec<ChangeOutcome> = batch.changes.iter().map(|change| outcome(change.seq)).collect();
    tab.transact(|txn| settle(txn, &outcomes)).await.unwrap();
}

#[test]
fn each_refusal_says_what_stands_in_the_way() {
    block_on(async {
        let tab = open(schema()).await;
        let create = |entity, id: &'static str, fields| write(&tab, Op::Create, entity, id, fields);
        create("area", "a", json!({"code": 1})).await.unwrap();
        create("room", "r", json!({"area": "a", "number": 1})).await.unwrap();
        create("desk", "d", json!({"area": "a"})).await.unwrap();
        let refusals = [
            (create("area", "b", json!({"code": 1})).await, r#"constraint/unique: area "a" has the same code"#),
            (
                create("room", "s", json!({"area": "a", "number": 1})).await,
                r#"constraint/unique: room "r" has the same area and number"#,
            ),
            (
                create("room", "s", json!({"area": "x"})).await,
                r#"constraint/ref-missing: room.area names area "x", which does not exist"#,
            ),
            (
                create("room", "s", json!({"area": "a", "kind": "tent"})).await,
                "value/not-one-of: room.kind takes one of office, hall",
            ),
            (
                write(&tab, Op::Delete, "area", "a", json!({})).await,
                r#"constraint/ref-restricted: 1 records restrict the deletion of area "a": desk "d" refers to it"#,
            ),
        ];
        for (found, expected) in refusals {
            assert_eq!(found, Err(expected.to_owned()));
        }
        // What is not enforced is not looked at, and a record may refer to itself.
        create("area", "b", json!({"old": "nowhere", "up": "b", "code": null})).await.unwrap();
        write(&tab, Op::Delete, "area", "b", json!({})).await.unwrap();
    });
}

#[test]
fn r16_what_may_not_be_written_is_not_deleted_along_either() {
    block_on(async {
        for (policy, code) in [(Policy::ReadOnly, "policy/read-only"), (Policy::AppendOnly, "policy/append-only")] {
            let (disk, mut schema) = (MemoryStorage::new(), schema());
            let tab = connect(&disk, schema.clone()).await;
            write(&tab, Op::Create, "area", "a", json!({})).await.unwrap();
            write(&tab, Op::Create, "room", "r", json!({"area": "a"})).await.unwrap();
            schema.entities[1].policy = policy;
            let tab = connect(&disk, schema).await;
            let refused = write(&tab, Op::Delete, "area", "a", json!({})).await.unwrap_err();
            assert!(
                refused.starts_with(&format!(r#"{code}: area "a" is referred to by room "r", and room "#)),
                "{refused}"
            );
            assert_eq!(rows(&tab, &ENTITIES).await.len(), 2);
        }
    });
}

#[test]
fn a_deletion_has_a_limit() {
    block_on(async {
        let tab = open(schema()).await;
        write(&tab, Op::Create, "area", "a", json!({})).await.unwrap();
        let values = vec![Value::Text("a".to_owned())];
        let room = Row { version: 1, buckets: vec![1], values, ..Row::default() };
        let fill = |txn: &mut Txn<'_>| (0..10_000).try_for_each(|id: u32| txn.put_row("room", &id.to_string(), &room));
        tab.transact(fill).await.unwrap();
        let refused = write(&tab, Op::Delete, "area", "a", json!({})).await;
        assert_eq!(refused, Err(r#"constraint/cascade-limit: more than 10000 records refer to area "a""#.to_owned()));
    });
}

#[test]
fn a_transaction_that_a_constraint_stops_at_its_end_is_in_conflict() {
    block_on(async {
        let tab = open(schema()).await;
        let tx = tab.begin();
        write(&tx, Op::Create, "area", "a", json!({"code": 1})).await.unwrap();
        assert!(write(&tx, Op::Create, "area", "b", json!({"code": 1})).await.is_err());
        write(&tab, Op::Create, "area", "c", json!({"code": 1})).await.unwrap();
        assert_eq!(tx.commit().await.unwrap_err().code(), Code::TransactionConflict);
    });
}

#[test]
fn a_row_of_the_server_that_clashes_with_a_change_that_waits_breaks_nothing() {
    block_on(async {
        let tab = open(schema()).await;
        write(&tab, Op::Create, "area", "a", json!({"code": 1})).await.unwrap();
        let values = vec![Value::Text("nowhere".to_owned()), Value::Integer(1)];
        let pulled = Row { version: 7, buckets: vec![1], values, ..Row::default() };
        tab.transact(|txn| txn.put_row("area", "b", &pulled)).await.unwrap();
        for id in ["a", "b"] {
            write(&tab, Op::Update, "area", id, json!({"note": 5, "code": 1})).await.unwrap();
            assert!(write(&tab, Op::Create, "area", "c", json!({"code": 1})).await.is_err());
            write(&tab, Op::Update, "area", id, json!({"code": null})).await.unwrap();
        }
        write(&tab, Op::Create, "area", "c", json!({"code": 1})).await.unwrap();
        tab.transact(|txn| txn.put_row("area", "d", &pulled)).await.unwrap();
        write(&tab, Op::Delete, "area", "c", json!({})).await.unwrap();
        write(&tab, Op::Delete, "area", "d", json!({})).await.unwrap();
        write(&tab, Op::Create, "area", "e", json!({"code": 1})).await.unwrap();
    });
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| format!("{:?} {} {}", change.op, change.entity, change.id)).collect()
}

#[test]
fn a_change_folds_only_where_the_order_allows_it() {
    block_on(async {
        let tab = open(schema()).await;
        write(&tab, Op::Create, "area", "a", json!({"code": 1})).await.unwrap();
        let batch = send(&tab).await.unwrap();
        accept(&tab, &batch).await;
        write(&tab, Op::Create, "area", "b", json!({})).await.unwrap();
        write(&tab, Op::Update, "area", "a", json!({"up": "b"})).await.unwrap();
        write(&tab, Op::Create, "area", "c", json!({})).await.unwrap();
        // It refers to what was made later, and gives up a value that is taken after that.
        write(&tab, Op::Update, "area", "a", json!({"up": "c", "code": 2})).await.unwrap();
        write(&tab, Op::Update, "area", "c", json!({"code": 1})).await.unwrap();
        write(&tab, Op::Update, "area", "a", json!({"note": 1})).await.unwrap();
        // A change that waits refers to it, so it cannot vanish as if it had never been.
        write(&tab, Op::Delete, "area", "b", json!({})).await.unwrap();
        let batch = send(&tab).await.unwrap();
        let expected =
            ["Create area b", "Update area a", "Create area c", "Update area a", "Update area c", "Delete area b"];
        assert_eq!(lines(&changes(&batch)), expected);
        accept(&tab, &batch).await;
        write(&tab, Op::Create, "area", "d", json!({})).await.unwrap();
        write(&tab, Op::Update, "area", "a", json!({"note": 2})).await.unwrap();
        write(&tab, Op::Delete, "area", "d", json!({})).await.unwrap();
        assert_eq!(lines(&changes(&send(&tab).await.unwrap())), ["Update area a"]);
    });
}

#[test]
fn changes_that_come_of_one_have_ids_of_their_own() {
    block_on(async {
        let tab = open(schema()).await;
        write(&tab, Op::Create, "area", "a", json!({})).await.unwrap();
        write(&tab, Op::Create, "room", "r", json!({"area": "a"})).await.unwrap();
        write(&tab, Op::Create, "desk", "d", json!({"room": "r"})).await.unwrap();
        let batch = send(&tab).await.unwrap();
        accept(&tab, &batch).await;
        // What waits of a record does not make its deletion go out before those of others.
        write(&tab, Op::Update, "area", "a", json!({"note": 1})).await.unwrap();
        write(&tab, Op::Update, "room", "r", json!({"kind": "hall"})).await.unwrap();
        write(&tab, Op::Delete, "area", "a", json!({})).await.unwrap();
        let changes = changes(&send(&tab).await.unwrap());
        assert_eq!(lines(&changes), ["Delete desk d", "Delete room r", "Delete area a"]);
        let ids: BTreeSet<&String> = changes.iter().map(|change| &change.change).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.len() == 36));
    });
}

/// Writes as the engine does, and as the model does.
async fn check_writes(tab: &Tab, model: &mut model::Model, writes: &[Write], in_transaction: bool) {
    if in_transaction {
        let tx = tab.begin();
        for one in writes {
            check_one(&tx, model, std::slice::from_ref(one)).await;
            assert_eq!(rows(&tx, &ENTITIES).await, model.rows);
        }
        tx.commit().await.unwrap();
    } else {
        check_one(tab, model, writes).await;
    }
}

async fn check_one(tab: &Tab, model: &mut model::Model, writes: &[Write]) {
    let mut after = model.clone();
    let refusals = writes.iter().map(|one| after.write(one)).find(|refusals| !refusals.is_empty());
    let found = tab.write(&writes.iter().map(local).collect::<Vec<_>>()).await;
    match (found, refusals) {
        (Ok(_), None) => *model = after,
        (Err(error), Some(refusals)) if refusals.contains(error.code().as_str()) => {}
        (Err(error), _) if error.code() == Code::RowExists && writes.iter().any(|one| after.is_fleeting(one)) => {}
        (found, refusals) => panic!("{writes:?}: {found:?}, not {refusals:?}"),
    }
}

#[test]
fn the_store_holds_what_the_model_holds_and_the_server_refuses_nothing() {
    let case = || (any::<bool>(), prop::collection::vec(step(), 1..30));
    property::check(50, case, |(is_furnished, steps)| {
        block_on(async {
            let tab = open(schema()).await;
            let (mut model, mut server, mut sent) = (model::Model::default(), Server::default(), None::<Batch>);
            let before = if is_furnished {
                vec![Step::Writes(furniture(), false), Step::Send, Step::Answer]
            } else {
                Vec::new()
            };
            let after = [Step::Answer, Step::Send, Step::Answer];
            for step in before.into_iter().chain(steps).chain(after) {
                match step {
                    Step::Writes(writes, in_transaction) => {
                        check_writes(&tab, &mut model, &writes, in_transaction).await
                    }
                    Step::Send if sent.is_none() => {
                        sent = send(&tab).await;
                        model.sent();
                        sent.iter().flat_map(changes).for_each(|change| server.take(&change));
                    }
                    Step::Answer => {
                        if let Some(batch) = sent.take() {
                            accept(&tab, &batch).await;
                            model.answered();
                        }
                    }
                    Step::Compact => tab.compact().await.unwrap(),
                    Step::Send => {}
                }
                assert_eq!(rows(&tab, &ENTITIES).await, model.rows);
            }
            assert_eq!(server.rows, model.rows);
            assert_eq!(tab.counts().await.unwrap().pending, 0);
        });
    });
}
