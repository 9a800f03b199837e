//! The mirror in a second Storage Bucket: what it keeps when the store is wiped, and that it never stands in the way.

use wasm_bindgen_test::wasm_bindgen_test;
use whimbrel::browser::{IndexedDbStorage, Mirroring};
use whimbrel::error::Code;
use whimbrel::ports::{Commit, Mirrored, SnapshotWish, Storage};

use super::indexed_db::{committed, open, open_with, record};
use super::page::{fast_deadlines, hang_write, has_buckets, start_deleting, throw_on_put, without_buckets};

fn mirrored(expected: u64, lines: &str) -> Commit {
    Commit { mirror: lines.as_bytes().to_vec(), ..record(expected, b"a") }
}

async fn own(storage: &IndexedDbStorage) -> Mirrored {
    storage.mirrors(false).await.expect("mirrors").pop().expect("a mirror")
}

fn seqs(mirror: &Mirrored) -> Vec<u64> {
    mirror.log.iter().map(|record| record.seq).collect()
}

#[wasm_bindgen_test]
async fn what_waits_outlives_the_store() {
    if !has_buckets() {
        return;
    }
    let storage = open("wiped").await;
    let identity = storage.identity();
    committed(&storage, mirrored(0, "one\n")).await;
    committed(&storage, mirrored(1, "two\n")).await;
    assert_eq!(storage.mirrors(true).await, Ok(Vec::new()));
    drop(storage);
    start_deleting("wiped").await.expect("as the browser does");
    let unsure = Mirroring { is_unsure: true, ..Mirroring::default() };
    for mirroring in [Mirroring::default(), unsure] {
        let storage = open_with("wiped", mirroring).await;
        let lost = storage.mirrors(true).await.expect("mirrors").pop().expect("the lost one");
        assert_eq!((seqs(&lost), lost.is_sure, &lost.identity), (vec![1, 2], !mirroring.is_unsure, &identity));
        assert_ne!(lost.identity, storage.identity());
        committed(&storage, mirrored(storage.load().await.expect("a load").head.seq, "new\n")).await;
    }
    let storage = open("wiped").await;
    storage.forget_mirror(&identity).await.expect("forgotten");
    assert_eq!(storage.mirrors(true).await, Ok(Vec::new()));
    assert_eq!(seqs(&own(&storage).await), [1, 2]);
}

#[wasm_bindgen_test]
async fn a_deleted_store_leaves_no_mirror() {
    if !has_buckets() {
        return;
    }
    // A store of another name is not meant, whatever its name begins with.
    let (storage, other) = (open("mirror-deleted").await, open("mirror-deleted#x").await);
    committed(&storage, mirrored(0, "secret\n")).await;
    committed(&other, mirrored(0, "other\n")).await;
    IndexedDbStorage::delete("mirror-deleted").await.expect("a deletion");
    assert_eq!(open("mirror-deleted").await.mirrors(true).await, Ok(Vec::new()));
    assert_eq!(seqs(&own(&other).await), [1]);
}

#[wasm_bindgen_test]
async fn a_mirror_that_fails_stops_nothing_and_a_snapshot_mends_it() {
    if !has_buckets() {
        return;
    }
    let storage = open("mirror-fails").await;
    assert_eq!(storage.load().await.expect("a load").head.seq, 0);
    committed(&storage, mirrored(0, "one\n")).await;
    let broken = throw_on_put("lines", "QuotaExceededError");
    committed(&storage, mirrored(1, "lost\n")).await;
    committed(&storage, mirrored(2, "lost\n")).await;
    drop(broken);
    assert_eq!(storage.take_trouble().map(|trouble| trouble.code()), Some(Code::StoreMirror));
    assert_eq!(storage.take_trouble(), None, "said once");
    committed(&storage, mirrored(3, "lost\n")).await;
    assert_eq!(storage.wants_snapshot(), SnapshotWish::Idle);
    storage.put_snapshot(4, vec![b"all\n".to_vec()]).await.expect("a snapshot");
    assert_eq!(storage.wants_snapshot(), SnapshotWish::Not);
    committed(&storage, mirrored(4, "five\n")).await;
    let mirror = own(&storage).await;
    assert_eq!((mirror.seq, seqs(&mirror), mirror.log[0].after), (4, vec![5], 4));
}

#[wasm_bindgen_test]
async fn a_mirror_that_hangs_delays_one_commit() {
    if !has_buckets() {
        return;
    }
    let storage = open("mirror-hangs").await;
    committed(&storage, mirrored(0, "one\n")).await;
    let (fast, hanging) = (fast_deadlines(), hang_write("lines"));
    committed(&storage, mirrored(1, "two\n")).await;
    assert_eq!(storage.take_trouble().map(|trouble| trouble.code()), Some(Code::StoreMirror));
    committed(&storage, mirrored(2, "three\n")).await;
    drop((fast, hanging));
}

#[wasm_bindgen_test]
async fn what_the_mirror_misses_is_noticed_when_the_store_is_opened() {
    if !has_buckets() {
        return;
    }
    let off = Mirroring { is_wanted: false, ..Mirroring::default() };
    let storage = open_with("mirror-gap", off).await;
    committed(&storage, mirrored(0, "never seen\n")).await;
    assert!(storage.wants_snapshot() == SnapshotWish::Not && storage.mirrors(false).await == Ok(Vec::new()));
    drop(storage);
    let storage = open("mirror-gap").await;
    assert_eq!(storage.load().await.expect("a load").head.mirrored, 1);
    assert_eq!(seqs(&own(&storage).await), Vec::<u64>::new());
    assert_eq!(storage.wants_snapshot(), SnapshotWish::Now);
}

#[wasm_bindgen_test]
async fn an_older_snapshot_does_not_replace_a_newer_one() {
    if !has_buckets() {
        return;
    }
    let storage = open("mirror-snapshots").await;
    for expected in 0..5 {
        committed(&storage, mirrored(expected, "line\n")).await;
    }
    storage.put_snapshot(4, vec![b"new\n".to_vec()]).await.expect("a snapshot");
    storage.put_snapshot(2, vec![b"old\n".to_vec()]).await.expect("no error");
    let mirror = own(&storage).await;
    assert_eq!((mirror.seq, mirror.snapshot.len(), seqs(&mirror)), (4, 1, vec![5]));
    assert_eq!(mirror.snapshot[0], b"new\n");
    assert_eq!(storage.take_trouble(), None);
}

#[wasm_bindgen_test]
async fn without_buckets_there_is_no_mirror_and_no_complaint() {
    let broken = without_buckets();
    let storage = open("no-buckets").await;
    committed(&storage, mirrored(0, "one\n")).await;
    assert_eq!((storage.mirrors(false).await, storage.mirrors(true).await), (Ok(Vec::new()), Ok(Vec::new())));
    assert!(storage.wants_snapshot() == SnapshotWish::Not && storage.take_trouble().is_none());
    IndexedDbStorage::delete("no-buckets").await.expect("a deletion");
    drop(broken);
}
