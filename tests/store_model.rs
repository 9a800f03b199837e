//! The store against a simple model, under random writes, loads, compaction, other tabs, small caches and a failing storage.
//!
//! `WHIMBREL_CASES` is the number of cases. A failing case is printed as the list of what happened.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "store_model/model.rs"]
mod model;
#[path = "store_model/ops.rs"]
mod ops;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_executor::block_on;
use futures_util::future::join_all;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use whimbrel::error::{Code, Error, Result};
use whimbrel::memory::{Fault, MemoryStorage};
use whimbrel::model::{Entity, Field, FieldType, IndexSpec, Query, Row, Schema, key};
use whimbrel::ports::Durability;
use whimbrel::store::{Footprint, Interrupt, MapId, Read, Store, Txn};

use model::{FIELDS, INDEXES, Model, object};
use ops::{Op, Write, id};

const ROWS: MapId = MapId(16);
/// The map of the first index; the others follow.
const FIRST_INDEX: u16 = 17;
/// The place of the field with numbers.
const WEIGHT: usize = 3;
const PLAIN: MapId = MapId::OUTBOX;

type Tab = Store<MemoryStorage>;

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

struct World {
    disk: MemoryStorage,
    tabs: Vec<Tab>,
    model: Model,
    watches: Rc<RefCell<Vec<Watch>>>,
}

/// A query whose answer was given, and whether a commit has touched what it looked at since then.
struct Watch {
    tab: usize,
    query: Json,
    answer: Json,
    footprint: Footprint,
    is_stale: bool,
}

impl World {
    async fn new() -> Self {
        let disk = MemoryStorage::new();
        let mut world = Self { disk, tabs: Vec::new(), model: Model::default(), watches: Rc::default() };
        world.start().await;
        world
    }

    /// Every tab opens, with nothing in memory.
    async fn start(&mut self) {
        self.tabs = vec![open(&self.disk, 0).await.unwrap(), open(&self.disk, 1 << 25).await.unwrap()];
        self.watches.borrow_mut().clear();
        (0..self.tabs.len()).for_each(|tab| self.follow(tab));
    }

    fn follow(&self, tab: usize) {
        let watches = Rc::clone(&self.watches);
        self.tabs[tab].on_change(Box::new(move |change| {
            for watch in watches.borrow_mut().iter_mut().filter(|watch| watch.tab == tab) {
                watch.is_stale |= watch.footprint.is_touched_by(change);
            }
        }));
    }

    /// What no commit has touched has still the same answer.
    fn check_watches(&self) {
        for Watch { query, answer, .. } in self.watches.borrow().iter().filter(|watch| !watch.is_stale) {
            assert_eq!(*answer, self.model.query(query), "{query} has changed unnoticed");
        }
    }

    async fn happen(&mut self, op: &Op) {
        match op {
            Op::Crash { op, call, happens } => self.crash(op, *call, *happens).await,
            Op::Query { tab, query } => self.check_query(*tab, query).await,
            op => {
                self.model = after(&self.model, op);
                perform(&self.disk, &mut self.tabs, op).await.unwrap();
                if let Op::Reopen { tab, .. } = op {
                    self.watches.borrow_mut().retain(|watch| watch.tab != *tab);
                    self.follow(*tab);
                }
            }
        }
    }

    /// The storage fails in the middle of something, and everybody starts anew: it has happened whole or not at all.
    async fn crash(&mut self, op: &Op, call: u32, happens: bool) {
        let mut calls = 0;
        self.disk.on_call(move |_| {
            calls += 1;
            let error = Error::new(Code::StoreFailed, "the disk is gone");
            (calls > call)
                .then(|| if happens && calls == call + 1 { Fault::After(error) } else { Fault::Before(error) })
        });
        let outcome = perform(&self.disk, &mut self.tabs, op).await;
        self.disk.heal();
        self.start().await;
        let found = dump(&self.tabs[0]).await;
        let (before, after) = (&self.model, after(&self.model, op));
        // A race is several transactions: each happens or not, so only what was answered is known.
        if matches!(op, Op::Race { .. }) {
            self.model = found;
        } else {
            assert!(found == *before || found == after, "half of {op:?} happened: {found:?}");
            assert!(outcome.is_err() || found == after, "{op:?} was lost");
            self.model = found;
        }
    }

    async fn check_query(&mut self, number: usize, query: &Json) {
        let tab = &self.tabs[number];
        tab.catch_up().await.unwrap();
        let parsed = parse(query).unwrap();
        let (rows, footprint) = tab.query(&parsed).await.unwrap();
        let rows: Json = serde_json::from_str(&rows).unwrap();
        assert_eq!(rows, self.model.query(query), "{query}");
        let watch = Watch { tab: number, query: query.clone(), answer: rows, footprint, is_stale: false };
        self.watches.borrow_mut().push(watch);
        let everything = self.model.query(&json!({ "where": query["where"] }));
        let everything = everything.as_array().unwrap();
        assert_eq!(tab.count(parsed.clone()).await.unwrap(), everything.len() as u64, "{query}");
        let weights: Vec<f64> = everything.iter().filter_map(|row| row["weight"].as_f64()).collect();
        let sum = tab.sum(parsed, WEIGHT).await.unwrap();
        assert_eq!(sum.count, weights.len() as u64, "{query}");
        let tolerance = 1e-12 * weights.iter().map(|weight| weight.abs()).sum::<f64>();
        assert!((sum.total() - weights.iter().sum::<f64>()).abs() <= tolerance, "{query}: {sum:?}, {weights:?}");
    }

    async fn check_all(&mut self) {
        for tab in &self.tabs {
            tab.catch_up().await.unwrap();
            assert!(dump(tab).await == self.model, "{:?}\n{:?}", dump(tab).await, self.model);
            for (places, map) in INDEXES.iter().zip(FIRST_INDEX..) {
                let found = tab.read(|view| view.keys_with_prefix(MapId(map), &[])).await.unwrap();
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), self.model.index(places), "index {places:?}");
            }
            for number in 0..6 {
                let id = id(number);
                let row = self.model.rows.get(&id).filter(|row| !row.deleted).map(|row| object(&id, row));
                let found = tab.get_json("order", &id).await.unwrap();
                assert_eq!(found.map(|json| serde_json::from_str::<Json>(&json).unwrap()), row);
            }
        }
        self.check_watches();
        let pages = self.disk.page_ids().len();
        assert_eq!(pages, self.tabs[0].stats().pages, "pages that nobody names");
    }
}

async fn open(disk: &MemoryStorage, cache: usize) -> Result<Tab> {
    Store::open(disk.connect(), schema(), Durability::Relaxed, Some(cache)).await
}

async fn dump(tab: &Tab) -> Model {
    let read = |view: &whimbrel::store::View<'_>| {
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

/// What a model is after something has happened.
fn after(model: &Model, op: &Op) -> Model {
    let mut model = model.clone();
    match op {
        Op::Write { writes, fails: false, .. } => writes.iter().for_each(|write| apply(&mut model, write)),
        Op::Race { writes } => writes.iter().flat_map(|(_, writes)| writes).for_each(|write| apply(&mut model, write)),
        Op::Load { bucket, rows, .. } => {
            let last: BTreeMap<String, &Row> = rows.iter().map(|(number, row)| (id(*number), row)).collect();
            for (id, row) in last {
                load(&mut model, &id, row, *bucket);
            }
        }
        Op::Write { .. }
        | Op::Compact { .. }
        | Op::CompactAll { .. }
        | Op::CatchUp { .. }
        | Op::Reopen { .. }
        | Op::Query { .. }
        | Op::Crash { .. } => {}
    }
    model
}

fn apply(model: &mut Model, write: &Write) {
    match write {
        Write::Put(number, row) => {
            model.rows.insert(id(*number), row.clone());
        }
        Write::Delete(number) => {
            model.rows.remove(&id(*number));
        }
        Write::PutPlain(key, value) => {
            model.plain.insert(vec![*key], value.clone());
        }
        Write::DeletePlain(key) => {
            model.plain.remove(&vec![*key]);
        }
    }
}

fn load(model: &mut Model, id: &str, row: &Row, bucket: u16) {
    let clean =
        |buckets| Row { version: row.version, buckets, dirty: false, deleted: false, values: row.values.clone() };
    match model.rows.get_mut(id) {
        None => {
            model.rows.insert(id.to_owned(), clean(vec![bucket]));
        }
        Some(known) if known.dirty => {}
        Some(known) => {
            if !known.buckets.contains(&bucket) {
                known.buckets.push(bucket);
            }
            if row.version >= known.version {
                *known = clean(known.buckets.clone());
            }
        }
    }
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

fn parse(query: &Json) -> Result<Query> {
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

async fn perform(disk: &MemoryStorage, tabs: &mut [Tab], op: &Op) -> Result<()> {
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
            let done = tabs[*tab].transact(|txn| txn.load_rows(&batch, *bucket)).await?;
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
        Op::Crash { .. } => Ok(()),
    }
}

#[test]
fn the_store_is_what_the_model_is() {
    let cases = std::env::var("WHIMBREL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&ops::story(24), |story| {
        block_on(async {
            let mut world = World::new().await;
            for op in &story.0 {
                world.happen(op).await;
            }
            world.check_all().await;
            world.tabs[0].compact().await.unwrap();
            world.check_all().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
