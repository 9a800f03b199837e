//! Upgrades of many rows: in pieces, broken off anywhere, and taken up again.

use std::cell::Cell;
use std::rc::Rc;

use futures_executor::block_on;
use serde_json::json;
use whimbrel::error::{Code, Error};
use whimbrel::memory::{Call, Fault, MemoryStorage};
use whimbrel::model::{Schema, Step};
use whimbrel::ports::{Durability, Storage};
use whimbrel::store::{Evolution, Query, Store};

use crate::versions::{Device, NEWEST, convert, open, schema, steps};

/// Several commits' worth.
const ROWS: usize = 5_000;

async fn filled(disk: &MemoryStorage) {
    let old = Device::open(disk, 1).await;
    let ids: Vec<String> = (0..ROWS).map(|number| format!("{number:05}")).collect();
    let rows: Vec<(&str, &str, i64)> = ids.iter().map(|id| (id.as_str(), "Pump", id.parse().unwrap())).collect();
    old.pull(&rows).await;
    old.create("new", "Roof", 7).await.unwrap();
    old.write(whimbrel_protocol::Op::Update, "workOrder", "00003", json!({"floor": "33"})).await.unwrap();
}

async fn is_of_version_1(disk: &MemoryStorage) {
    let old = Device::open(disk, 1).await;
    let query = |where_| parse(&old.store, "workOrder", where_);
    assert_eq!(old.store.count(query(json!({}))).await, Ok(ROWS as u64 + 1));
    assert_eq!(old.store.count(query(json!({"floor": "4999"}))).await, Ok(1));
    assert_eq!(old.store.count(query(json!({"title": "Pump"}))).await, Ok(ROWS as u64));
    assert_eq!(old.store.count(query(json!({"floor": "33"}))).await, Ok(2));
}

async fn is_of_the_newest_version(disk: &MemoryStorage) {
    let now = Device::open(disk, NEWEST).await;
    let query = |where_| parse(&now.store, "job", where_);
    assert_eq!(now.store.count(query(json!({"state": "open"}))).await, Ok(ROWS as u64 + 1));
    assert_eq!(now.store.count(query(json!({"floor": 2499.5}))).await, Ok(1));
    assert_eq!(now.store.count(query(json!({"floor": {"lt": 50}}))).await, Ok(101));
    assert_eq!(now.store.count(query(json!({"floor": 16.5}))).await, Ok(2));
    let row = now.store.get_json("job", "00101").await.unwrap().unwrap();
    assert_eq!(row, r#"{"id":"00101","name":"Pump","floor":50.5,"state":"open"}"#);
    let change = &now.push().await[1];
    assert_eq!((change.entity.as_str(), json!(change.set)), ("job", json!({"floor": 16.5})));
}

fn parse(store: &Store<MemoryStorage>, entity: &str, where_: serde_json::Value) -> Query {
    let query = serde_json::from_value(json!({"where": where_})).unwrap();
    Query::parse(entity, &query, &store.schema()).unwrap()
}

/// Lets a number of commits happen, and none after it.
fn break_after(disk: &MemoryStorage, commits: u32) {
    let left = Cell::new(commits);
    disk.on_call(move |call| {
        if call != Call::Commit {
            return None;
        }
        left.set(left.get().saturating_sub(1));
        (left.get() == 0).then(|| Fault::Before(Error::new(Code::StoreFailed, "killed")))
    });
}

#[test]
fn an_upgrade_that_is_broken_off_goes_on_and_the_old_version_is_whole_until_then() {
    block_on(async {
        let mut broken = 0;
        for commits in 1.. {
            let (disk, other) = (MemoryStorage::new(), MemoryStorage::new());
            filled(&disk).await;
            filled(&other).await;
            for disk in [&disk, &other] {
                break_after(disk, commits);
            }
            if open(&disk, NEWEST).await.is_ok() {
                break;
            }
            broken += 1;
            assert!(open(&other, NEWEST).await.is_err());
            disk.heal();
            is_of_the_newest_version(&disk).await;
            other.heal();
            // Older code may take the store back as long as it is not of the new version; a later upgrade begins anew.
            match open(&other, 1).await {
                Ok(_) => is_of_version_1(&other).await,
                Err(error) => assert_eq!(error.code(), Code::StoreNewer),
            }
            is_of_the_newest_version(&other).await;
        }
        assert!(broken >= 4, "it was {broken} commits only");
    });
}

#[test]
fn no_commit_is_large() {
    block_on(async {
        let disk = MemoryStorage::new();
        filled(&disk).await;
        let before = disk.connect().load().await.unwrap().head.seq;
        open(&disk, NEWEST).await.unwrap();
        let loaded = disk.connect().load().await.unwrap();
        assert!(loaded.head.seq - before >= 4);
        let largest = loaded.log.iter().map(|record| record.bytes.len()).max().unwrap();
        assert!(largest < 256 * 1024, "a log record of {largest} bytes");
        is_of_the_newest_version(&disk).await;
    });
}

#[test]
fn a_function_that_fails_leaves_the_old_version() {
    block_on(async {
        let disk = MemoryStorage::new();
        filled(&disk).await;
        let all: Vec<Step> = steps();
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let fails = move |by, values| {
            counted.set(counted.get() + 1);
            if counted.get() > 3 { Err(Error::new(Code::StepFailed, "no")) } else { convert(by, values) }
        };
        let evolution = Evolution { steps: &all, convert: &fails };
        let opened =
            Store::open_with(disk.connect(), schema(NEWEST), Durability::Relaxed, None, evolution).await.map(drop);
        assert_eq!(opened.unwrap_err().code(), Code::StepFailed);
        is_of_version_1(&disk).await;
        is_of_the_newest_version(&disk).await;
    });
}

#[test]
fn an_index_over_many_rows_is_built_in_pieces_while_another_tab_writes() {
    block_on(async {
        let disk = MemoryStorage::new();
        filled(&disk).await;
        let mut more: Schema = schema(1);
        more.entities[0].fields[0].index = true;
        let old = Device::open(&disk, 1).await;
        // The other tab moves records between "legacy" values while the index comes about.
        let writes = async {
            for number in 0..60 {
                let id = format!("{:05}", (number * 7_919) % ROWS);
                let fields = json!({"legacy": if number % 2 == 0 { "a" } else { "b" }});
                old.write(whimbrel_protocol::Op::Update, "workOrder", &id, fields).await.unwrap();
            }
        };
        let opening = Store::open(disk.connect(), more, Durability::Relaxed, None);
        let (store, ()) = futures_util::future::join(opening, writes).await;
        let store = store.unwrap();
        store.catch_up().await.unwrap();
        for (value, count) in [(json!("a"), 30), (json!("b"), 30), (json!(null), ROWS as u64 + 1 - 60)] {
            assert_eq!(store.count(parse(&store, "workOrder", json!({"legacy": value}))).await, Ok(count), "{value}");
        }
    });
}

/// The index has some of its entries when whoever builds it dies; a tab that is open all the while must not look there.
#[test]
fn an_index_that_is_not_whole_is_not_read() {
    block_on(async {
        let disk = MemoryStorage::new();
        filled(&disk).await;
        let old = Device::open(&disk, 1).await;
        let mut more: Schema = schema(1);
        more.entities[0].fields[0].index = true;
        break_after(&disk, 3);
        assert!(Store::open(disk.connect(), more.clone(), Durability::Relaxed, None).await.is_err());
        disk.heal();
        old.store.catch_up().await.unwrap();
        let without = || parse(&old.store, "workOrder", json!({"legacy": null}));
        let explained = old.store.explain(&without()).await.unwrap();
        assert_eq!(old.store.count(without()).await, Ok(ROWS as u64 + 1), "{explained}");
        // What it writes is kept in step all the same.
        old.write(whimbrel_protocol::Op::Update, "workOrder", "00001", json!({"legacy": "x"})).await.unwrap();
        let store = Store::open(disk.connect(), more, Durability::Relaxed, None).await.unwrap();
        let with = |value| parse(&store, "workOrder", json!({"legacy": value}));
        assert_eq!(store.count(with(json!(null))).await, Ok(ROWS as u64));
        assert_eq!(store.count(with(json!("x"))).await, Ok(1));
    });
}
