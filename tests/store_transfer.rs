//! Exports and imports: what comes out of a store is the store at one moment, whatever is written meanwhile; what goes into one is all of a
//! file or nothing; and no file, however broken, does harm.
//!
//! A failing case is printed; `property/mod.rs` says how many there are and how to see one again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod property;
#[path = "store_transfer/refusals.rs"]
mod refusals;
#[path = "store_transfer/story.rs"]
mod story;

use futures_executor::block_on;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::error::{Code, Result};
use whimbrel::memory::MemoryStorage;
use whimbrel::store::{Imported, write};

use story::{Happens, Tab, difference, dump, happen, happens, id, local_write, open, send_only};

async fn export(tab: &Tab, is_whole: bool) -> Vec<u8> {
    let mut export = tab.export("rounds", is_whole);
    let mut file = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        assert!(piece.ends_with(b"\n") && piece.len() < 200_000);
        file.extend(piece);
    }
    file
}

/// Imports a file in pieces; what fails is undone.
async fn import(tab: &Tab, file: &[u8], piece: usize) -> Result<Imported> {
    let mut import = tab.import();
    let mut imported = Ok(());
    for bytes in file.chunks(piece.max(1)) {
        imported = import.push(bytes).await;
        if imported.is_err() {
            break;
        }
    }
    let imported = match imported {
        Ok(()) => import.finish().await,
        Err(error) => Err(error),
    };
    if imported.is_err() {
        import.abort().await.unwrap();
    }
    imported
}

fn lines(file: &[u8]) -> Vec<Json> {
    let text = std::str::from_utf8(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn story(length: usize) -> impl Strategy<Value = Vec<Happens>> {
    prop::collection::vec(happens(), 0..length)
}

/// What happens before, between the pieces of the export (in either of two tabs), and afterwards in both stores.
type Case = (Vec<Happens>, Vec<(bool, Happens)>, Vec<Happens>, usize);

async fn check_whole((before, meanwhile, later, piece): &Case) {
    let disk = MemoryStorage::new();
    let tabs = [open(&disk, "client a").await, open(&disk, "client a").await];
    for (number, what) in before.iter().enumerate() {
        happen(&tabs[0], number, what).await;
    }
    let (mut export, mut file) = (tabs[0].export("rounds", true), Vec::new());
    let mut meanwhile = meanwhile.iter().enumerate();
    while let Some(piece) = export.next().await.unwrap() {
        file.extend(piece);
        if lines(&file).last().unwrap()["end"].is_object() {
            break;
        }
        for (number, (is_other, what)) in meanwhile.by_ref().take(4) {
            happen(&tabs[usize::from(*is_other)], 1_000 + number, what).await;
            tabs[usize::from(!*is_other)].catch_up().await.unwrap();
        }
    }
    let exported = dump(&tabs[0]).await;
    assert_eq!(export.next().await.unwrap(), None);
    let other = MemoryStorage::new();
    let copy = open(&other, "client b").await;
    import(&copy, &file, *piece).await.unwrap();
    assert_eq!(difference(&dump(&copy).await, &exported), None, "the copy is another store");
    let reopened = open(&other, "client c").await;
    assert_eq!(difference(&dump(&reopened).await, &exported), None, "the copy is another store after a reload");
    assert_eq!(reopened.client_id().await.unwrap(), "client b");
    for (number, what) in later.iter().enumerate() {
        happen(&tabs[0], 2_000 + number, what).await;
        happen(&reopened, 2_000 + number, what).await;
    }
    assert_eq!(difference(&dump(&reopened).await, &dump(&tabs[0]).await), None, "the copy behaves otherwise");
}

#[test]
fn a_copy_is_the_same_store_at_one_moment() {
    let case = || {
        let meanwhile = prop::collection::vec((any::<bool>(), happens()), 0..30);
        (story(40), meanwhile, story(12), prop::sample::select(vec![1_usize, 7, 1_000, 1 << 20]))
    };
    property::check(8, case, |case: Case| block_on(check_whole(&case)));
}

/// Changes go into a store that has some of the rows, and has changes of its own.
async fn check_outbox((both, first, second): &(Vec<Happens>, Vec<Happens>, Vec<Happens>)) {
    let (one, two) = (open(&MemoryStorage::new(), "client a").await, open(&MemoryStorage::new(), "client b").await);
    for (number, what) in both.iter().enumerate() {
        happen(&one, number, what).await;
        happen(&two, number, what).await;
    }
    for (number, what) in first.iter().enumerate() {
        happen(&one, 1_000 + number, what).await;
    }
    for (number, what) in second.iter().enumerate() {
        happen(&two, 2_000 + number, what).await;
    }
    let file = export(&one, false).await;
    let exported = lines(&file);
    let of_kind = |kind: &str| -> Vec<&Json> { exported.iter().filter(|line| line[kind].is_u64()).collect() };
    let (waiting, refused) = (of_kind("outbox"), of_kind("inbox"));
    let counts = one.counts().await.unwrap();
    let all = counts.pending + counts.conflicts + counts.rejected;
    assert_eq!((waiting.len() as u64, refused.len() as u64), (counts.pending + counts.conflicts, counts.rejected));
    assert_eq!(exported[0]["counts"]["pending"], json!(counts.pending));

    // In the store it came from, all of it is there already.
    let before = dump(&one).await;
    let again = import(&one, &file, 100).await.unwrap();
    assert_eq!(again, Imported { skipped: all, ..Imported::default() });
    assert!(dump(&one).await == before);

    let before = two.counts().await.unwrap();
    let rows_before = lines(&export(&two, true).await);
    let imported = import(&two, &file, 100).await.unwrap();
    assert_eq!(imported.changes + imported.refused + imported.skipped, all);
    let after = two.counts().await.unwrap();
    assert_eq!(after.pending + after.conflicts, before.pending + before.conflicts + imported.changes);
    assert_eq!(after.rejected, before.rejected + imported.refused);
    // Every change that waited is here, as it was, or its id has come to an end here.
    let copies = lines(&export(&two, false).await);
    for line in &waiting {
        let is = &line["is"];
        let is_there = copies.iter().any(|copy| copy["is"]["change"] == is["change"] && copy["is"]["set"] == is["set"]);
        let change = is["change"].as_str().unwrap();
        let is_known = two.confirmation(change).await.unwrap().is_some()
            || copies.iter().any(|copy| {
                let entry = if copy["outbox"].is_u64() { &copy["is"] } else { &copy["is"]["entry"] };
                entry["change"] == change || entry["folded"].as_array().is_some_and(|all| all.contains(&json!(change)))
            });
        assert!(is_there || is_known, "{line} is lost");
    }
    check_dirty(&two).await;
    check_bases(&rows_before, &lines(&export(&two, true).await));
    let before = dump(&two).await;
    let again = import(&two, &file, 1_000).await.unwrap();
    assert_eq!((again.changes, again.refused), (0, 0));
    assert!(dump(&two).await == before, "a second import changed something");
}

/// A record is dirty exactly when changes of it wait.
async fn check_dirty(tab: &Tab) {
    let file = lines(&export(tab, true).await);
    for row in file.iter().filter(|line| line["row"].is_array()) {
        let waits = file
            .iter()
            .any(|line| line["outbox"].is_u64() && json!([line["is"]["entity"], line["is"]["id"]]) == row["row"]);
        assert_eq!(row["is"]["dirty"] == true, waits, "{row}");
    }
}

/// A row that was the server's is kept beside what is laid over it.
fn check_bases(before: &[Json], after: &[Json]) {
    for row in before.iter().filter(|line| line["row"].is_array() && line["is"]["dirty"].is_null()) {
        let now = after.iter().find(|line| line["row"] == row["row"]).unwrap();
        if now["is"]["dirty"] == true {
            let base = after.iter().find(|line| line["base"] == row["row"]);
            assert_eq!(base.map(|base| &base["is"]), Some(&row["is"]), "{now}");
        }
    }
}

/// Rows that come many at once, as pages, while an export is under way.
#[test]
fn a_large_pull_during_an_export_is_in_it() {
    block_on(async {
        let store = open(&MemoryStorage::new(), "client a").await;
        let rows = |version: u64| (0..24).map(|id| (id, version, "x".repeat(4_000))).collect::<Vec<_>>();
        happen(&store, 1, &Happens::Pull(0, 0, rows(1))).await;
        let (mut export, mut file) = (store.export("rounds", true), Vec::new());
        for number in 2.. {
            let Some(piece) = export.next().await.unwrap() else { break };
            file.extend(piece);
            if number < 6 {
                happen(&store, number, &Happens::Pull(0, 0, rows(number as u64))).await;
            }
        }
        let copy = open(&MemoryStorage::new(), "client b").await;
        import(&copy, &file, 1_000).await.unwrap();
        assert_eq!(difference(&dump(&copy).await, &dump(&store).await), None);
    });
}

#[test]
fn what_waits_goes_into_another_store_once() {
    property::check(8, || (story(20), story(20), story(20)), |case| block_on(check_outbox(&case)));
}

/// A store with a bit of everything.
async fn sample() -> Tab {
    let store = open(&MemoryStorage::new(), "client a").await;
    let rows = |ids: std::ops::Range<usize>| ids.map(|id| (id, 1, format!("row \"{id}\""))).collect::<Vec<_>>();
    let write = |entity, record, op, text: &str| Happens::Write(entity, record, op, 4, text.to_owned());
    let all = [
        Happens::Pull(0, 0, rows(0..6)),
        Happens::Pull(1, 1, rows(0..4)),
        write(0, 1, 2, "conflict"),
        Happens::Push(vec![3]),
        write(1, 2, 2, "refused"),
        Happens::Push(vec![5]),
        write(0, 2, 2, "waits"),
        write(1, 9, 0, "new"),
        write(0, 3, 5, ""),
    ];
    for (number, what) in all.iter().enumerate() {
        happen(&store, number, what).await;
    }
    store
}

#[test]
fn an_export_is_readable() {
    block_on(async {
        let file = lines(&export(&sample().await, true).await);
        assert_eq!(
            file[0],
            json!({
                "whimbrel": "store", "format": 1, "name": "rounds", "schema": 3, "client": "client a",
                "counts": {"pending": 3, "rejected": 1, "conflicts": 1},
            })
        );
        let has = |line: Json| assert!(file.contains(&line), "{line} is not in {file:#?}");
        has(json!({"system": "bucket/order/b0", "is": {"number": 1, "cursor": "c0"}}));
        let fields = json!({"title": "row \"0\"", "due": 10, "weight": null, "done": null});
        has(json!({"row": ["order", id(0)], "is": {"version": 1, "buckets": [1], "fields": fields}}));
        let fields = json!({"title": "row \"3\"", "due": 10, "weight": null, "done": null});
        has(json!({"base": ["order", id(3)], "is": {"version": 1, "buckets": [1], "fields": fields}}));
        let dirty = json!({"version": 1, "buckets": [1], "dirty": true, "deleted": true, "fields": fields});
        has(json!({"row": ["order", id(3)], "is": dirty}));
        for kind in ["outbox", "inbox", "conflicts", "confirmed"] {
            assert!(file.iter().any(|line| line[kind] != Json::Null), "no {kind}");
        }
        let end = file.last().unwrap();
        assert_eq!(end["end"]["lines"], json!(file.len() - 1));
        let waiting = lines(&export(&sample().await, false).await);
        assert_eq!(waiting.len(), 2 + 4 + 1 + 1);
    });
}

/// What was sent and not answered may have arrived: no second store sends it; the user is told.
#[test]
fn what_was_sent_is_never_sent_from_a_second_store() {
    block_on(async {
        let store = sample().await;
        let sent = send_only(&store).await;
        assert_eq!(sent, 3);
        happen(&store, 50, &Happens::Write(1, 9, 2, 7, "on top of the new one".to_owned())).await;
        happen(&store, 51, &Happens::Write(0, 4, 2, 7, "unsent".to_owned())).await;
        for is_whole in [true, false] {
            let file = export(&store, is_whole).await;
            let copy = open(&MemoryStorage::new(), "client b").await;
            let imported = import(&copy, &file, 500).await.unwrap();
            // The conflict and the unsent one wait; the refused one, the sent ones and what stands on the new one lie in the inbox.
            assert_eq!((imported.changes, imported.refused), (2, 5));
            assert_eq!(send_only(&copy).await, 1);
            let inbox: Json = serde_json::from_str(&copy.inbox().await.unwrap().0).unwrap();
            let doubtful = inbox.as_array().unwrap().iter().filter(|item| item["code"] == "import/in-doubt");
            assert_eq!(doubtful.count(), 4);
            check_dirty(&copy).await;
            assert_eq!(copy.get_json("note", &id(9)).await.unwrap(), None);
        }
        // In the store itself nothing has changed: they are sent again under the same numbers.
        import(&store, &export(&store, false).await, 500).await.unwrap();
        assert_eq!(send_only(&store).await, 5);
    });
}
