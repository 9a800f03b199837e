//! The storage port on IndexedDB, when all goes well and when a commit does not.

use futures_util::future::join;
use js_sys::Array;
use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{BrowserRandom, IndexedDbStorage, Mirroring};
use whimbrel::error::Code;
use whimbrel::ports::{Commit, CommitOutcome, Durability, PageChange, Random, Storage};

use super::page::{Raw, abort_next_write, is_pending, record_durability, throw_on_put};
use crate::storage_contract;

pub(crate) async fn open(name: &str) -> IndexedDbStorage {
    open_with(name, Mirroring::default()).await
}

pub(crate) async fn open_with(name: &str, mirroring: Mirroring) -> IndexedDbStorage {
    let storage = IndexedDbStorage::open(name).await.expect("a storage");
    storage.start_mirror(mirroring);
    storage
}

pub(crate) fn record(expected: u64, bytes: &[u8]) -> Commit {
    Commit { expected, record: bytes.to_vec(), ..Commit::default() }
}

pub(crate) async fn committed(storage: &IndexedDbStorage, commit: Commit) {
    assert_eq!(storage.commit(commit).await.expect("a commit"), CommitOutcome::Committed);
}

fn paged(expected: u64) -> Commit {
    let pages = PageChange { put: vec![(1, vec![1])], directory: vec![2], folded: 0, delete: Vec::new() };
    Commit { pages: Some(pages), ..record(expected, b"paged") }
}

#[wasm_bindgen_test]
async fn it_keeps_the_contract() {
    let run = BrowserRandom.up_to(u64::from(u32::MAX));
    storage_contract::run_all(async |name: &str| open(&format!("contract-{run}-{name}")).await).await;
}

#[wasm_bindgen_test]
async fn racing_writers_make_one_total_order() {
    const EACH: u8 = 30;
    let (one, two) = (open("total-order").await, open("total-order").await);
    let write = async |storage: &IndexedDbStorage, writer: u8| {
        let mut behind = 0;
        for number in 0..EACH {
            let mut expected = storage.load().await.expect("a load").head.seq;
            while storage.commit(record(expected, &[writer, number])).await.expect("an answer") == CommitOutcome::Behind
            {
                behind += 1;
                expected = storage.log(expected).await.expect("a log").head.seq;
            }
        }
        behind
    };
    let (first, second) = join(write(&one, 1), write(&two, 2)).await;
    assert!(first + second > 0, "they never met");
    let log = one.load().await.expect("a load").log;
    assert!(log.iter().map(|record| record.seq).eq(1..=u64::from(EACH) * 2));
    for writer in [1, 2] {
        let own = log.iter().filter(|record| record.bytes.first() == Some(&writer)).map(|record| record.bytes[1]);
        assert!(own.eq(0..EACH), "writer {writer}");
    }
}

#[wasm_bindgen_test]
async fn two_commits_on_one_connection_have_one_winner() {
    let storage = open("one-winner").await;
    let outcomes = join(storage.commit(record(0, b"a")), storage.commit(record(0, b"b"))).await;
    assert_eq!(outcomes, (Ok(CommitOutcome::Committed), Ok(CommitOutcome::Behind)));
    assert_eq!(storage.load().await.expect("a load").log[0].bytes, b"a");
}

#[wasm_bindgen_test]
async fn a_full_device_is_a_quota_error_and_nothing_is_written() {
    let storage = open("quota").await;
    committed(&storage, record(0, b"before")).await;
    let before = storage.load().await;
    let broken = abort_next_write("QuotaExceededError");
    let error = storage.commit(paged(1)).await.expect_err("no room");
    drop(broken);
    assert_eq!(error.code(), Code::StoreQuota);
    assert_eq!(storage.load().await, before);
    assert_eq!(Raw::open("quota").await.dump("pages").await, "[]");
    committed(&storage, paged(1)).await;
}

#[wasm_bindgen_test]
async fn an_abort_names_its_cause() {
    let storage = open("cause").await;
    let broken = abort_next_write("DataError");
    let error = storage.commit(record(0, b"lost")).await.expect_err("aborted");
    drop(broken);
    assert_eq!(error.code(), Code::StoreFailed);
    assert!(error.detail().contains("DataError: made up"), "{error}");
    committed(&storage, record(0, b"kept")).await;
}

#[wasm_bindgen_test]
async fn a_request_that_throws_takes_the_whole_commit_back() {
    let storage = open("throws").await;
    let broken = throw_on_put("pages", "QuotaExceededError");
    let error = storage.commit(paged(0)).await.expect_err("thrown");
    drop(broken);
    assert_eq!(error.code(), Code::StoreQuota);
    assert_eq!(storage.load().await, Ok(whimbrel::ports::Loaded::default()));
    assert_eq!(Raw::open("throws").await.dump("pages").await, "[]");
}

#[wasm_bindgen_test]
async fn a_dropped_commit_writes_nothing() {
    let storage = open("dropped").await;
    {
        let mut commit = std::pin::pin!(storage.commit(paged(0)));
        assert!(is_pending(commit.as_mut()).await);
    }
    assert_eq!(storage.load().await, Ok(whimbrel::ports::Loaded::default()));
    committed(&storage, record(0, b"next")).await;
}

#[wasm_bindgen_test]
async fn pages_are_deleted_one_by_one_and_in_runs() {
    let storage = open("page-runs").await;
    let change = |put: &[u64], delete: &[u64]| {
        let put = put.iter().map(|id| (*id, Vec::new())).collect();
        Some(PageChange { put, delete: delete.to_vec(), ..PageChange::default() })
    };
    let all: Vec<u64> = (1..10).collect();
    committed(&storage, Commit { pages: change(&all, &[]), ..record(0, b"") }).await;
    committed(&storage, Commit { pages: change(&[], &[9, 4, 5, 6, 2, 6]), ..record(1, b"") }).await;
    let found = storage.pages(&all).await.expect("pages");
    let left: Vec<u64> = all.into_iter().zip(found).filter_map(|(id, page)| page.map(|_| id)).collect();
    assert_eq!(left, [1, 3, 7, 8]);
}

#[wasm_bindgen_test]
async fn durability_reaches_the_browser() {
    let storage = open("durability").await;
    let seen = Array::new();
    let recording = record_durability(&seen);
    for (expected, durability) in (0..).zip([Durability::Relaxed, Durability::Strict]) {
        committed(&storage, Commit { durability, ..record(expected, b"") }).await;
    }
    drop(recording);
    assert_eq!(seen.join(" "), "relaxed strict");
}
