//! IndexedDB that is missing, newer, slow, taken away or exchanged.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::IndexedDbStorage;
use whimbrel::error::{Code, Result};
use whimbrel::model::{Entity, Field, FieldType, Schema};
use whimbrel::ports::{Durability, Storage};
use whimbrel::store::Store;

use super::indexed_db::{committed, open, record};
use super::page::{
    Raw, exists, fast_deadlines, hang_open, is_pending, lose_connection_once, open_elsewhere, start_deleting,
    without_global,
};

fn code<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|error| error.code())
}

#[wasm_bindgen_test]
async fn a_lost_connection_is_replaced() {
    let storage = open("lost").await;
    committed(&storage, record(0, b"a")).await;
    let broken = lose_connection_once();
    committed(&storage, record(1, b"b")).await;
    drop(broken);
    let broken = lose_connection_once();
    assert_eq!(storage.load().await.expect("a load").log.len(), 2);
    drop(broken);
}

#[wasm_bindgen_test]
async fn another_database_of_the_same_name_is_not_ours() {
    let storage = open("identity").await;
    committed(&storage, record(0, b"a")).await;
    let raw = Raw::open("identity").await;
    let ours = raw.get("meta", "identity").await;
    raw.put("meta", "identity", "another").await;
    let broken = lose_connection_once();
    assert_eq!(code(storage.commit(record(1, b"b")).await), Some(Code::StoreDeleted));
    drop(broken);
    raw.put("meta", "identity", ours).await;
    assert_eq!(code(storage.load().await), Some(Code::StoreDeleted), "deleted is for good");
    assert_eq!(open("identity").await.load().await.expect("a load").log.len(), 1);
}

#[wasm_bindgen_test]
async fn a_database_that_has_gone_is_not_made_again() {
    let storage = open("gone").await;
    let elsewhere = open_elsewhere("gone-elsewhere");
    let broken = lose_connection_once();
    assert_eq!(code(storage.load().await), Some(Code::StoreDeleted));
    drop((elsewhere, broken));
    assert!(!exists("gone-elsewhere").await);
}

#[wasm_bindgen_test]
async fn deletion_reaches_every_connection_and_leaves_nothing() {
    let (one, two) = (open("deleted").await, open("deleted").await);
    committed(&one, record(0, b"a")).await;
    IndexedDbStorage::delete("deleted").await.expect("a deletion");
    assert_eq!(code(one.commit(record(1, b"b")).await), Some(Code::StoreDeleted));
    assert_eq!(code(two.load().await), Some(Code::StoreDeleted));
    assert!(!exists("deleted").await);
    assert_eq!(open("deleted").await.load().await, Ok(whimbrel::ports::Loaded::default()));
    IndexedDbStorage::delete("never-there").await.expect("no error");
}

/// Nobody has to call anything to be told.
#[wasm_bindgen_test]
async fn a_deletion_is_told_at_once() {
    let storage = open("told").await;
    let told = Rc::new(Cell::new(0));
    let ear = Rc::clone(&told);
    storage.on_disturbed(Box::new(move || ear.set(ear.get() + 1)));
    IndexedDbStorage::delete("told").await.expect("a deletion");
    assert_eq!(told.get(), 1);
    assert_eq!(code(storage.load().await), Some(Code::StoreDeleted));
}

/// Coming back would mean to wait behind the deletion.
#[wasm_bindgen_test]
async fn a_storage_that_made_way_for_a_deletion_does_not_come_back() {
    let storage = open("made-way").await;
    let raw = Raw::open("made-way").await;
    let deletion = start_deleting("made-way");
    let error = loop {
        if let Err(error) = storage.load().await {
            break error;
        }
    };
    assert_eq!(error.code(), Code::StoreDeleted);
    drop(raw);
    deletion.await.expect("a deletion");
}

#[wasm_bindgen_test]
async fn a_dropped_storage_holds_nothing() {
    drop(open("zombie").await);
    start_deleting("zombie").await.expect("a deletion");
    assert!(!exists("zombie").await);
}

#[wasm_bindgen_test]
async fn a_store_of_a_newer_engine_is_left_alone() {
    drop(open("newer-format").await);
    Raw::open("newer-format").await.put("meta", "format", 2).await;
    assert_eq!(code(IndexedDbStorage::open("newer-format").await), Some(Code::StoreNewer));
    drop(Raw::open_version("newer-version", 2).await);
    assert_eq!(code(IndexedDbStorage::open("newer-version").await), Some(Code::StoreNewer));
}

#[wasm_bindgen_test]
async fn contents_that_are_not_ours_are_corrupt() {
    let storage = open("corrupt").await;
    committed(&storage, record(0, b"a")).await;
    let raw = Raw::open("corrupt").await;
    raw.put("log", 2, Uint8Array::new_with_length(1)).await;
    assert_eq!(code(storage.load().await), Some(Code::StoreCorrupt));
    raw.put("meta", "head", "nonsense").await;
    assert_eq!(code(storage.log(0).await), Some(Code::StoreCorrupt));
    assert_eq!(code(storage.commit(record(1, b"b")).await), Some(Code::StoreCorrupt));
    raw.put("pages", 1, "nonsense").await;
    assert_eq!(code(storage.pages(&[1]).await), Some(Code::StoreCorrupt));
    raw.put("meta", "format", 1.5).await;
    assert_eq!(code(IndexedDbStorage::open("corrupt").await), Some(Code::StoreCorrupt));
    raw.put("meta", "format", 1).await;
    raw.put("meta", "identity", 1).await;
    assert_eq!(code(IndexedDbStorage::open("corrupt").await), Some(Code::StoreCorrupt));
}

#[wasm_bindgen_test]
async fn without_indexed_db_the_store_is_unavailable() {
    let broken = without_global("indexedDB");
    assert_eq!(code(IndexedDbStorage::open("missing").await), Some(Code::StoreUnavailable));
    assert_eq!(code(IndexedDbStorage::delete("missing").await), Some(Code::StoreUnavailable));
    drop(broken);
}

#[wasm_bindgen_test]
async fn an_opening_that_hangs_times_out() {
    let (fast, hanging) = (fast_deadlines(), hang_open());
    assert_eq!(code(IndexedDbStorage::open("hanging").await), Some(Code::StoreTimeout));
    drop((fast, hanging));
}

#[wasm_bindgen_test]
async fn a_deletion_that_is_blocked_times_out() {
    drop(open("blocked").await);
    let raw = Raw::open("blocked").await;
    let fast = fast_deadlines();
    assert_eq!(code(IndexedDbStorage::delete("blocked").await), Some(Code::StoreTimeout));
    drop((fast, raw));
}

#[wasm_bindgen_test]
async fn an_opening_that_nobody_waits_for_holds_nothing() {
    drop(open("left").await);
    let mut opening = Box::pin(IndexedDbStorage::open("left"));
    assert!(is_pending(opening.as_mut()).await);
    drop(opening);
    assert_eq!(IndexedDbStorage::delete("left").await, Ok(()));
}

/// The opening waits behind a deletion that somebody blocks, and is served long after its caller has gone.
#[wasm_bindgen_test]
async fn an_opening_that_comes_too_late_leaves_nothing() {
    drop(open("late").await);
    let raw = Raw::open("late").await;
    let deletion = start_deleting("late");
    let fast = fast_deadlines();
    assert_eq!(code(IndexedDbStorage::open("late").await), Some(Code::StoreTimeout));
    drop((fast, raw));
    deletion.await.expect("a deletion");
    assert_eq!(open("late").await.load().await, Ok(whimbrel::ports::Loaded::default()));
}

#[wasm_bindgen_test]
async fn a_commit_behind_a_frozen_tab_times_out_and_is_not_written_later() {
    let storage = open("frozen").await;
    committed(&storage, record(0, b"a")).await;
    let raw = Raw::open("frozen").await;
    let held = raw.hold("log");
    let fast = fast_deadlines();
    assert_eq!(code(storage.commit(record(1, b"b")).await), Some(Code::StoreTimeout));
    drop((fast, held));
    assert_eq!(storage.load().await.expect("a load").log.len(), 1);
    committed(&storage, record(1, b"c")).await;
}

/// A value that is not bytes, or none, is damage like a wrong checksum.
#[wasm_bindgen_test]
async fn a_store_with_a_damaged_directory_or_log_begins_anew() {
    let titles = Field { name: "title".to_owned(), kind: FieldType::text(None), ..Field::default() };
    let entity = Entity { name: "order".to_owned(), fields: vec![titles], ..Entity::default() };
    let schema = || Schema { version: 1, entities: vec![entity.clone()], ..Schema::default() };
    for (place, key) in [("meta", JsValue::from_str("directory")), ("log", JsValue::from(4))] {
        let name = format!("anew-{place}");
        let store = async || Store::open(open(&name).await, schema(), Durability::Relaxed, None).await;
        let first = store().await.expect("a store");
        first.ensure_client_id("5f0c0000-0000-4000-8000-000000000001").await.expect("a client");
        first.compact().await.expect("a directory");
        first.ensure_client_id("unused").await.expect("nothing to do");
        first.succeeded(1, "all").await.expect("a commit");
        assert_eq!(first.seq(), 4);
        first.close().await;
        Raw::open(&name).await.put(place, key, JsValue::UNDEFINED).await;
        let again = store().await.expect("the store begins anew");
        assert_eq!(again.take_trouble().map(|trouble| trouble.code()), Some(Code::StoreCorrupt));
        assert!(again.is_rescued() && again.counts().await.is_ok_and(|counts| counts.last_success.is_none()));
        again.succeeded(2, "all").await.expect("a commit");
        again.close().await;
        let last = store().await.expect("a store as any");
        assert!(!last.is_rescued() && last.counts().await.is_ok_and(|counts| counts.last_success == Some(2)));
        last.close().await;
    }
}
