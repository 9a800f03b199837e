//! Stores in which everything has happened that an export has to know of, at random.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::error::Result;
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldType, IndexSpec, Policy, Schema, uuid_v7};
use whimbrel::ports::Durability;
use whimbrel::store::{Interrupt, LocalWrite, MapId, Piece, Read, Store, Txn, View, next_batch, settle, write};
use whimbrel_protocol::{BucketCursor, ChangeOutcome, Fields, Op, Outcome, ServerRow};

pub(crate) type Tab = Store<MemoryStorage>;

/// Records of an entity.
const IDS: usize = 24;
const ENTITIES: [&str; 2] = ["order", "note"];

pub(crate) fn schema() -> Schema {
    let field =
        |name: &str, kind, index| Field { name: name.to_owned(), kind, optional: true, index, ..Field::default() };
    let order = Entity {
        name: "order".to_owned(),
        policy: Policy::DetectConflicts,
        fields: vec![
            field("title", FieldType::text(None), true),
            field("due", FieldType::Timestamp, true),
            field("weight", FieldType::Real, false),
            field("done", FieldType::Boolean, false),
        ],
        indexes: vec![IndexSpec { fields: vec!["done".to_owned(), "title".to_owned()], unique: false }],
        ..Entity::default()
    };
    let fields = vec![field("title", FieldType::text(None), false), field("due", FieldType::Integer, true)];
    let note = Entity { name: "note".to_owned(), fields, ..Entity::default() };
    Schema { version: 3, entities: vec![order, note], ..Schema::default() }
}

pub(crate) async fn open(disk: &MemoryStorage, client: &str) -> Tab {
    let store = Store::open(disk.connect(), schema(), Durability::Relaxed, Some(100_000)).await.unwrap();
    store.ensure_client_id(client).await.unwrap();
    store
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Happens {
    /// The app writes.
    Write(usize, usize, u8, usize, String),
    /// A pull brings rows of a bucket, with a cursor.
    Pull(usize, u8, Vec<(usize, u64, String)>),
    /// A pull says that rows are gone from a bucket.
    Gone(usize, u8, Vec<usize>),
    /// A push, and what the server says to each change.
    Push(Vec<u8>),
    /// All of a bucket comes anew.
    Restart(usize, u8),
    Compact,
}

pub(crate) fn happens() -> impl Strategy<Value = Happens> {
    let text = ("[a-z\"\\\\é\u{1}\n]{0,6}", prop::sample::select(vec![0_usize, 0, 300, 3_000]))
        .prop_map(|(text, length)| text + &"x".repeat(length));
    let rows = prop::collection::vec((0..IDS, 1_u64..9, text.clone()), 0..30);
    let ids = prop::collection::vec(0..IDS, 0..6);
    prop_oneof![
        6 => (0..2_usize, 0..IDS, 0_u8..6, 0_usize..9, text).prop_map(|(a, b, c, d, e)| Happens::Write(a, b, c, d, e)),
        4 => (0..2_usize, 0_u8..2, rows).prop_map(|(entity, bucket, rows)| Happens::Pull(entity, bucket, rows)),
        1 => (0..2_usize, 0_u8..2, ids).prop_map(|(entity, bucket, ids)| Happens::Gone(entity, bucket, ids)),
        3 => prop::collection::vec(0_u8..6, 1..6).prop_map(Happens::Push),
        1 => (0..2_usize, 0_u8..2).prop_map(|(entity, bucket)| Happens::Restart(entity, bucket)),
        1 => Just(Happens::Compact),
    ]
}

/// Half of the ids are UUIDs.
pub(crate) fn id(number: usize) -> String {
    if number.is_multiple_of(2) { uuid_v7(number as i64, [9; 16]) } else { format!("id \"{number}\"") }
}

fn fields(json: Json) -> Fields {
    serde_json::from_value(json).unwrap()
}

/// Lets something happen; `number` makes its change ids, so two stores can be told the same.
pub(crate) async fn happen(tab: &Tab, number: usize, what: &Happens) {
    match what {
        Happens::Write(entity, record, op, due, text) => {
            let local = local_write(number, *entity, *record, *op, *due, text);
            // What cannot be is refused, and nothing happens.
            let _ = tab.transact(|txn| write(txn, &local)).await;
        }
        Happens::Pull(entity, bucket, rows) => {
            let bucket = format!("{}/b{bucket}", ENTITIES[*entity]);
            let data: Vec<Json> =
                rows.iter().map(|(record, version, text)| json!([id(*record), version, text, version * 10])).collect();
            let columns = ["id", "_version", "title", "due"];
            let line = json!({ "rows": { "bucket": bucket, "columns": columns, "data": data } }).to_string();
            let mut piece = Piece::rows(tab.decode_rows(line.as_bytes()).unwrap());
            piece.close(BucketCursor { bucket, cursor: format!("c{number}"), more: false, version: None }).unwrap();
            tab.apply(piece).await.unwrap();
        }
        Happens::Gone(entity, bucket, records) => {
            let bucket = format!("{}/b{bucket}", ENTITIES[*entity]);
            let rows = records.iter().map(|record| (id(*record), 9)).collect();
            tab.apply(Piece::gone(whimbrel_protocol::Gone { bucket, rows })).await.unwrap();
        }
        Happens::Push(outcomes) => push(tab, outcomes).await.unwrap(),
        Happens::Restart(entity, bucket) => {
            tab.restart_bucket(&format!("{}/b{bucket}", ENTITIES[*entity]), false).await.unwrap();
        }
        Happens::Compact => tab.compact().await.unwrap(),
    }
}

pub(crate) fn local_write(number: usize, entity: usize, record: usize, op: u8, due: usize, text: &str) -> LocalWrite {
    let op = [Op::Create, Op::Create, Op::Update, Op::Update, Op::Update, Op::Delete][usize::from(op)];
    let values = if op == Op::Delete { json!({}) } else { json!({ "title": text, "due": due }) };
    let change = uuid_v7(1_000 + number as i64, [3; 16]);
    LocalWrite { op, entity: ENTITIES[entity].to_owned(), id: id(record), fields: fields(values), change, at: 5 }
}

/// Sends what waits, and settles all of it.
async fn push(tab: &Tab, outcomes: &[u8]) -> Result<()> {
    let entities: Vec<String> = ENTITIES.iter().map(|name| (*name).to_owned()).collect();
    let Some(batch) = tab.transact(|txn| next_batch(txn, &entities)).await?.value else { return Ok(()) };
    let outcome = |(place, seq): (usize, u64)| {
        let outcome = match outcomes[place % outcomes.len()] {
            0..3 => Outcome::Accepted { version: 20 + place as u64 },
            3 => Outcome::Conflict { row: Some(ServerRow { version: 30, fields: fields(json!({"title": "theirs"})) }) },
            4 => Outcome::Conflict { row: None },
            _ => Outcome::Rejected {
                code: "constraint/x".to_owned(),
                message: "no \"x\"".to_owned(),
                fields: BTreeMap::from([("title".to_owned(), "wrong".to_owned())]),
            },
        };
        ChangeOutcome { seq, outcome }
    };
    let answers: Vec<ChangeOutcome> = batch.changes.iter().map(|change| change.seq).enumerate().map(outcome).collect();
    tab.transact(|txn| settle(txn, &answers)).await.map(|_| ())
}

/// Sends what waits, and hears nothing of it.
pub(crate) async fn send_only(tab: &Tab) -> usize {
    let entities: Vec<String> = ENTITIES.iter().map(|name| (*name).to_owned()).collect();
    let batch = tab.transact(|txn: &mut Txn<'_>| next_batch(txn, &entities)).await.unwrap().value;
    batch.map_or(0, |batch| batch.changes.len())
}

/// Everything in a store, by map and key, but what is the client's own, and where its outbox begins: that may be said too early.
pub(crate) type Dump = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

pub(crate) async fn dump(tab: &Tab) -> Dump {
    let all = |view: &View<'_>| -> Result<Dump, Interrupt> {
        let mut dump = Dump::new();
        for map in (0..8).chain(16..32) {
            for (key, value) in view.items(MapId(map))? {
                let own: [&[u8]; 4] = [b"client", b"count/seq", b"count/ack", b"count/first"];
                if map != 0 || !own.contains(&key.as_slice()) {
                    dump.insert((map, key), value.to_vec());
                }
            }
        }
        // A row is its values: one that was pulled ends where they do.
        for (place, name) in ENTITIES.iter().enumerate() {
            let map = view.entity_map(name)?.0;
            for ((of, key), value) in &mut dump {
                if *of == map || (*of == MapId::BASE.0 && key.starts_with(&map.to_be_bytes())) {
                    *value = format!("{place} {:?}", view.decode_row(name, value)?).into_bytes();
                }
            }
        }
        // Two clients count for themselves.
        for ((map, _), value) in &mut dump {
            if [MapId::INBOX.0, MapId::CONFLICTS.0].contains(map) {
                let mut record: Json = serde_json::from_slice(value).unwrap();
                record["entry"]["seq"] = Json::Null;
                *value = record.to_string().into_bytes();
            }
        }
        // A counter that was never used and one at zero are the same.
        dump.retain(|(map, key), value| *map != 0 || !key.starts_with(b"count/") || value.iter().any(|byte| *byte > 0));
        Ok(dump)
    };
    tab.read(all).await.unwrap()
}

/// The first difference of two dumps, for people.
pub(crate) fn difference(left: &Dump, right: &Dump) -> Option<String> {
    let keys = left.keys().chain(right.keys());
    let other = keys.into_iter().find(|key| left.get(*key) != right.get(*key))?;
    let text = |dump: &Dump| dump.get(other).map(|value| String::from_utf8_lossy(value).into_owned());
    let key = String::from_utf8_lossy(&other.1);
    Some(format!("map {}, key {key:?}: {:?} and {:?}", other.0, text(left), text(right)))
}
