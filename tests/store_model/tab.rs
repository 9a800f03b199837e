//! A tab of the store under test, and what an op does to it.

use futures_util::future::join_all;
use serde_json::{Value as Json, json};
use whimbrel::error::{Code, Error, Result};
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Entity, Field, FieldType, IndexSpec, Query, Row, Schema, key};
use whimbrel::ports::Durability;
use whimbrel::store::{Interrupt, MapId, Read, Store, Txn, View};

use crate::model::{FIELDS, INDEXES, Model};
use crate::ops::{Op, Write, id};

const ROWS: MapId = MapId(16);
const PLAIN: MapId = MapId::OUTBOX;

pub(crate) type Tab = Store<MemoryStorage>;

fn schema() -> Schema {
    let kinds =
        [FieldType::text(None), FieldType::Timestamp, FieldType::text(None), FieldType::Real, FieldType::Boolean];
    let field = |((name, index), kind): (&(&str, bool), FieldType)| Field {
        name: (*name).to_owned(),
        kind,
        optional: true,
        index: *index,
        ..Field::default()
    };
    let fields = FIELDS.iter().zip(kinds).map(field).collect();
    let index = |places: &&[usize]| IndexSpec {
        fields: places.iter().map(|place| FIELDS[*place].0.to_owned()).collect(),
        unique: false,
    };
    let indexes = INDEXES.iter().map(index).collect();
    let entity = Entity { name: "order".to_owned(), fields, indexes, ..Entity::default() };
    Schema { version: 1, entities: vec![entity], ..Schema::default() }
}

pub(crate) async fn open(disk: &MemoryStorage, cache: usize) -> Result<Tab> {
    Store::open(disk.connect(), schema(), Durability::Relaxed, Some(cache)).await
}

pub(crate) async fn dump(tab: &Tab) -> Model {
    let read = |view: &View<'_>| {
        let mut model = Model::default();
        for (key, value) in view.items(ROWS)? {
            let mut id = Vec::new();
            key::decode_id(&key, &mut id).unwrap();
            model.rows.insert(String::from_utf8(id).unwrap(), view.decode_row("order", &value)?);
        }
        model.plain = view.items(PLAIN)?.into_iter().map(|(key, value)| (key, value.to_vec())).collect();
        Ok(model)
    };
    tab.read(read).await.unwrap()
}

fn write(txn: &mut Txn<'_>, writes: &[Write]) -> Result<(), Interrupt> {
    for write in writes {
        match write {
            Write::Put(number, row) => {
                txn.put_row("order", &id(*number), row)?;
                assert_eq!(txn.row("order", &id(*number))?.as_ref(), Some(row));
            }
            Write::Delete(number) => {
                txn.delete_row("order", &id(*number))?;
                assert_eq!(txn.row("order", &id(*number))?, None);
            }
            Write::PutPlain(key, value) => txn.put(PLAIN, &[*key], value.clone()),
            Write::DeletePlain(key) => txn.delete(PLAIN, &[*key]),
        }
    }
    Ok(())
}

pub(crate) fn parse(query: &Json) -> Result<Query> {
    let query = serde_json::from_value(query.clone()).unwrap();
    Query::parse("order", &query, &schema())
}

fn line(rows: &[(usize, Row)]) -> String {
    let mut columns = vec!["id".to_owned(), "_version".to_owned()];
    columns.extend(FIELDS.iter().map(|(name, _)| (*name).to_owned()));
    let data: Vec<Json> = rows
        .iter()
        .map(|(number, row)| {
            let mut values = vec![json!(id(*number)), json!(row.version)];
            values.extend(row.values.iter().map(|value| json!(value.to_json())));
            json!(values)
        })
        .collect();
    json!({ "rows": { "bucket": "order/all", "columns": columns, "data": data } }).to_string()
}

pub(crate) async fn perform(disk: &MemoryStorage, tabs: &mut [Tab], op: &Op) -> Result<()> {
    match op {
        Op::Write { tab, writes, fails } => {
            let plan = |txn: &mut Txn<'_>| {
                write(txn, writes)?;
                if *fails { Err(Error::new(Code::RowExists, "on purpose").into()) } else { Ok(()) }
            };
            match tabs[*tab].transact(plan).await {
                Err(error) if *fails && error.code() == Code::RowExists => Ok(()),
                other => other.map(|_| ()),
            }
        }
        Op::Race { writes } => {
            disk.set_delay(3);
            let tabs: &[Tab] = tabs;
            // Those of one tab keep their order; those of two tabs touch different keys, or their order would be open.
            let plans = writes.iter().map(|(_, writes)| tabs[0].transact(move |txn| write(txn, writes)));
            let other = tabs[1].transact(|txn| {
                txn.put(MapId::SYSTEM, b"other tab", b"x".to_vec());
                Ok(())
            });
            let (done, other) = futures_util::future::join(join_all(plans), other).await;
            disk.set_delay(0);
            other?;
            done.into_iter().try_for_each(|done| done.map(|_| ()))
        }
        Op::Load { tab, bucket, rows } => {
            let batch = tabs[*tab].decode_rows(line(rows).as_bytes())?;
            let done = tabs[*tab]
                .transact(|txn| txn.load_rows(&batch, whimbrel::store::Loading { number: *bucket, anew: false }))
                .await?;
            for place in done.value {
                let found = tabs[*tab].read(|view| view.row("order", &batch.id(place))).await?;
                assert!(found.is_some_and(|row| row.dirty));
            }
            Ok(())
        }
        Op::Compact { tab } => tabs[*tab].compact_step().await.map(|_| ()),
        Op::CompactAll { tab } => tabs[*tab].compact().await,
        Op::CatchUp { tab } => tabs[*tab].catch_up().await,
        Op::Reopen { tab, cache } => {
            tabs[*tab].close().await;
            tabs[*tab] = open(disk, *cache).await?;
            Ok(())
        }
        Op::Query { tab, query } => {
            let parsed = parse(query)?;
            tabs[*tab].query(&parsed).await.map(|_| ())
        }
        Op::Crash { .. } | Op::Hiccup { .. } | Op::Kill { .. } => Ok(()),
    }
}
