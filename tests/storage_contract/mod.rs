//! What every implementation of the storage port must do. Runs natively on memory and in a browser on IndexedDB, so there is
//! nothing in here but the port itself.
//!
//! `open` gives a connection to the store of that name; the first connection to a name finds it empty, the next ones find what is there.

use whimbrel::error::Code;
use whimbrel::ports::{
    Commit, CommitOutcome, Durability, Head, Loaded, LogRecord, MirrorRecord, PageChange, SnapshotWish, Storage,
};

/// Runs every case, each on a store of its own.
pub(crate) async fn run_all<S: Storage>(open: impl AsyncFn(&str) -> S) {
    a_fresh_store_is_empty(&open).await;
    commits_are_numbered_and_keep_their_order(&open).await;
    a_commit_from_behind_writes_nothing(&open).await;
    two_connections_see_one_store(&open).await;
    racing_commits_have_one_winner(&open).await;
    pages_come_and_go(&open).await;
    a_directory_and_the_trimmed_log_are_one_step(&open).await;
    folding_never_goes_back(&open).await;
    mirrors_are_written_with_the_commit(&open).await;
    large_values_survive(&open).await;
    all_that_is_there_can_be_salvaged(&open).await;
    a_closed_connection_says_so(&open).await;
    a_reopened_store_has_everything(&open).await;
}

fn record(expected: u64, bytes: &[u8]) -> Commit {
    Commit { expected, record: bytes.to_vec(), ..Commit::default() }
}

fn with_pages(expected: u64, bytes: &[u8], pages: PageChange) -> Commit {
    Commit { pages: Some(pages), ..record(expected, bytes) }
}

async fn committed(storage: &impl Storage, commit: Commit) {
    assert_eq!(storage.commit(commit).await.expect("a commit"), CommitOutcome::Committed);
}

async fn behind(storage: &impl Storage, commit: Commit) {
    assert_eq!(storage.commit(commit).await.expect("an answer"), CommitOutcome::Behind);
}

async fn loaded(storage: &impl Storage) -> Loaded {
    storage.load().await.expect("a load")
}

fn records(log: &[LogRecord]) -> Vec<(u64, &[u8])> {
    log.iter().map(|record| (record.seq, record.bytes.as_slice())).collect()
}

async fn a_fresh_store_is_empty<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("fresh").await;
    assert_eq!(loaded(&storage).await, Loaded::default());
    let slice = storage.log(0).await.expect("a log");
    assert_eq!((slice.head, slice.log.len()), (Head::default(), 0));
    assert_eq!(storage.pages(&[1, 2]).await.expect("an answer"), [None, None]);
    assert_eq!(storage.pages(&[]).await.expect("an answer"), Vec::<Option<Vec<u8>>>::new());
    storage.close().await;
}

async fn commits_are_numbered_and_keep_their_order<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("order").await;
    let relaxed_then_strict = [Durability::Relaxed, Durability::Strict, Durability::Relaxed];
    for (expected, durability) in (0..).zip(relaxed_then_strict) {
        let byte = u8::try_from(expected).expect("small");
        committed(&storage, Commit { durability, ..record(expected, &[byte, 0, 255]) }).await;
    }
    let all = loaded(&storage).await;
    assert_eq!(all.head, Head { seq: 3, directory: 0, folded: 0, mirrored: 0 });
    assert_eq!(records(&all.log), [(1, &[0, 0, 255][..]), (2, &[1, 0, 255]), (3, &[2, 0, 255])]);
    let later = storage.log(2).await.expect("a log");
    assert_eq!((later.head.seq, records(&later.log)), (3, vec![(3, &[2, 0, 255][..])]));
    assert_eq!(storage.log(3).await.expect("a log").log, []);
    storage.close().await;
}

async fn a_commit_from_behind_writes_nothing<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("behind").await;
    committed(&storage, record(0, b"a")).await;
    let before = loaded(&storage).await;
    for expected in [0, 2, u64::MAX >> 11] {
        let pages = PageChange { put: vec![(9, vec![9])], directory: vec![9], folded: 1, ..PageChange::default() };
        behind(&storage, Commit { mirror: b"never".to_vec(), ..with_pages(expected, b"b", pages) }).await;
        assert_eq!(loaded(&storage).await, before);
        assert!(storage.mirrors(false).await.expect("mirrors").iter().all(|mirror| mirror.log.is_empty()));
        assert_eq!(storage.pages(&[9]).await.expect("an answer"), [None]);
    }
    committed(&storage, record(1, b"c")).await;
    storage.close().await;
}

async fn two_connections_see_one_store<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let (one, two) = (open("shared").await, open("shared").await);
    committed(&one, record(0, b"one")).await;
    behind(&two, record(0, b"two")).await;
    let slice = two.log(0).await.expect("a log");
    assert_eq!(records(&slice.log), [(1, &b"one"[..])]);
    committed(&two, record(slice.head.seq, b"two")).await;
    assert_eq!(loaded(&one).await, loaded(&two).await);
    one.close().await;
    assert_eq!(loaded(&two).await.head.seq, 2);
    two.close().await;
}

async fn racing_commits_have_one_winner<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let (one, two) = (open("race").await, open("race").await);
    for expected in 0..10 {
        let mut first = std::pin::pin!(one.commit(record(expected, b"one")));
        let mut second = std::pin::pin!(two.commit(record(expected, b"two")));
        let (mut answers, mut wins) = (0, 0);
        let (mut first_done, mut second_done) = (false, false);
        std::future::poll_fn(|context| {
            use std::task::Poll;
            if !first_done && let Poll::Ready(outcome) = first.as_mut().poll(context) {
                first_done = true;
                answers += 1;
                wins += u32::from(outcome.expect("an answer") == CommitOutcome::Committed);
            }
            if !second_done && let Poll::Ready(outcome) = second.as_mut().poll(context) {
                second_done = true;
                answers += 1;
                wins += u32::from(outcome.expect("an answer") == CommitOutcome::Committed);
            }
            if answers == 2 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(wins, 1);
        assert_eq!(loaded(&one).await.head.seq, expected + 1);
    }
    one.close().await;
    two.close().await;
}

async fn pages_come_and_go<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("pages").await;
    let put = vec![(1, vec![1; 10]), (2, Vec::new()), (300, vec![3])];
    let pages = PageChange { put, directory: b"first".to_vec(), ..PageChange::default() };
    committed(&storage, with_pages(0, b"", pages)).await;
    let found = storage.pages(&[300, 1, 7, 2]).await.expect("pages");
    assert_eq!(found, [Some(vec![3]), Some(vec![1; 10]), None, Some(Vec::new())]);
    let pages = PageChange { put: vec![(301, vec![4])], delete: vec![1, 2], directory: b"second".to_vec(), folded: 0 };
    committed(&storage, with_pages(1, b"", pages)).await;
    let found = storage.pages(&[1, 2, 300, 301]).await.expect("pages");
    assert_eq!(found, [None, None, Some(vec![3]), Some(vec![4])]);
    let all = loaded(&storage).await;
    assert_eq!((all.head, all.directory), (Head { seq: 2, directory: 2, folded: 0, mirrored: 0 }, b"second".to_vec()));
    storage.close().await;
}

async fn a_directory_and_the_trimmed_log_are_one_step<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let (storage, other) = (open("trim").await, open("trim").await);
    for expected in 0..4 {
        committed(&storage, record(expected, &[7])).await;
    }
    let pages = PageChange { put: vec![(1, vec![1])], directory: b"dir".to_vec(), folded: 3, ..PageChange::default() };
    committed(&storage, with_pages(4, b"fold", pages)).await;
    let all = loaded(&other).await;
    assert_eq!(all.head, Head { seq: 5, directory: 5, folded: 3, mirrored: 0 });
    assert_eq!((all.directory, records(&all.log)), (b"dir".to_vec(), vec![(4, &[7][..]), (5, b"fold")]));
    let slice = other.log(1).await.expect("a log");
    assert_eq!((slice.head, records(&slice.log)), (all.head, vec![(4, &[7][..]), (5, b"fold")]));
    storage.close().await;
    other.close().await;
}

async fn folding_never_goes_back<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("folded").await;
    let fold = |folded| PageChange { directory: vec![1], folded, ..PageChange::default() };
    committed(&storage, record(0, b"a")).await;
    committed(&storage, with_pages(1, b"b", fold(2))).await;
    committed(&storage, with_pages(2, b"c", fold(0))).await;
    let all = loaded(&storage).await;
    assert_eq!((all.head.folded, records(&all.log)), (2, vec![(3, &b"c"[..])]));
    storage.close().await;
}

/// Where there is a mirror; the storage need not have one.
async fn mirrors_are_written_with_the_commit<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let (storage, other) = (open("mirrors").await, open("mirrors").await);
    let mirrored = |expected, lines: &str| Commit { mirror: lines.as_bytes().to_vec(), ..record(expected, b"a") };
    committed(&storage, mirrored(0, "Pümpe \"4\"\n")).await;
    committed(&storage, record(1, b"not mirrored")).await;
    let bytes = Commit { mirror: vec![0, 255, 128], ..record(2, b"c") };
    committed(&other, bytes).await;
    assert_eq!((loaded(&storage).await.head.seq, loaded(&storage).await.head.mirrored), (3, 3));
    assert_eq!(storage.identity(), other.identity());
    assert_eq!(storage.mirrors(true).await, Ok(Vec::new()));
    let Some(mirror) = storage.mirrors(false).await.expect("mirrors").pop() else { return };
    assert_eq!((mirror.identity, mirror.seq, mirror.is_sure), (storage.identity(), 0, true));
    let (first, last) = ("Pümpe \"4\"\n".as_bytes().to_vec(), vec![0, 255, 128]);
    let last = MirrorRecord { seq: 3, after: 1, lines: last };
    assert_eq!(mirror.log, [MirrorRecord { seq: 1, after: 0, lines: first }, last.clone()]);
    assert_eq!(storage.wants_snapshot(), SnapshotWish::Not);
    storage.put_snapshot(2, vec![b"one".to_vec(), b"two".to_vec()]).await.expect("a snapshot");
    storage.put_snapshot(2, vec![b"three".to_vec()]).await.expect("another one");
    let mirror = other.mirrors(false).await.expect("mirrors").pop().expect("the mirror");
    assert_eq!((mirror.seq, mirror.snapshot, mirror.log), (2, vec![b"three".to_vec()], vec![last]));
    assert_eq!(storage.take_trouble(), None);
    storage.close().await;
    other.close().await;
}

async fn large_values_survive<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("large").await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pages = PageChange {
        put: vec![(1, large.clone()), (2, large.iter().rev().copied().collect())],
        directory: large.clone(),
        ..PageChange::default()
    };
    committed(&storage, with_pages(0, &large, pages)).await;
    let all = loaded(&storage).await;
    assert!(all.directory == large && all.log.first().is_some_and(|record| record.bytes == large));
    let pages = storage.pages(&[2, 1]).await.expect("pages");
    assert!(pages.last().is_some_and(|page| page.as_ref() == Some(&large)));
    assert!(pages.first().and_then(Option::as_ref).is_some_and(|page| page.iter().eq(large.iter().rev())));
    storage.close().await;
}

async fn all_that_is_there_can_be_salvaged<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("salvage").await;
    assert_eq!(storage.salvage().await.expect("nothing"), (Loaded::default(), Vec::new()));
    committed(&storage, record(0, b"a")).await;
    let put = vec![(7, vec![7]), (9, vec![9])];
    let pages = PageChange { put, directory: vec![1], folded: 1, ..PageChange::default() };
    committed(&storage, with_pages(1, b"b", pages)).await;
    committed(&storage, record(2, b"c")).await;
    let (left, pages) = storage.salvage().await.expect("what is left");
    assert_eq!((left, pages), (loaded(&storage).await, vec![7, 9]));
    storage.close().await;
}

async fn a_closed_connection_says_so<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("closed").await;
    committed(&storage, record(0, b"a")).await;
    storage.close().await;
    storage.close().await;
    assert_eq!(storage.load().await.map_err(|error| error.code()), Err(Code::StoreClosed));
    assert_eq!(storage.log(0).await.map_err(|error| error.code()), Err(Code::StoreClosed));
    assert_eq!(storage.pages(&[1]).await.map_err(|error| error.code()), Err(Code::StoreClosed));
    assert_eq!(storage.commit(record(1, b"b")).await.map_err(|error| error.code()), Err(Code::StoreClosed));
    assert_eq!(loaded(&open("closed").await).await.head.seq, 1);
}

async fn a_reopened_store_has_everything<S: Storage>(open: &impl AsyncFn(&str) -> S) {
    let storage = open("reopened").await;
    committed(&storage, record(0, b"a")).await;
    let pages =
        PageChange { put: vec![(5, vec![5; 5])], directory: b"dir".to_vec(), folded: 1, ..PageChange::default() };
    committed(&storage, with_pages(1, b"b", pages)).await;
    let before = loaded(&storage).await;
    storage.close().await;
    let storage = open("reopened").await;
    assert_eq!(loaded(&storage).await, before);
    assert_eq!(storage.pages(&[5]).await.expect("pages"), [Some(vec![5; 5])]);
    storage.close().await;
}
