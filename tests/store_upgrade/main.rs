//! Stores of earlier versions, opened by later ones.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod chunks;
mod tabs;
mod versions;

use futures_executor::block_on;
use serde_json::json;
use whimbrel::error::Code;
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Field, FieldType, Schema, Value};
use whimbrel::ports::{Durability, Storage};
use whimbrel::store::Store;
use whimbrel_protocol::Outcome;

use versions::{Device, NEWEST, open, schema};

/// Everything that is on a disk.
pub(crate) async fn contents(disk: &MemoryStorage) -> String {
    let pages = disk.connect().pages(&disk.page_ids()).await.unwrap();
    format!("{:?} {:?}", disk.connect().load().await.unwrap(), pages)
}

#[test]
fn a_store_of_any_earlier_version_is_what_it_was_in_the_words_of_today() {
    for version in 1..=NEWEST {
        block_on(opened_from(version));
    }
}

async fn opened_from(version: u32) {
    let disk = MemoryStorage::new();
    let old = Device::open(&disk, version).await;
    let sent = old.fill().await;
    old.store.close().await;
    let now = Device::open(&disk, NEWEST).await;
    let job =
        |id: &str, name: &str, floor: f64, state: &str| json!({"id": id, "name": name, "floor": floor, "state": state});
    let jobs = json!([
        job("r0", "Pump", 9.0, "open"),
        job("r1", "Sent", 8.0, "open"),
        job("r3", "New", 10.0, "open"),
        job("r5", "Lamp", 6.0, "open"),
    ]);
    assert_eq!(now.all("job").await, jobs, "from version {version}");
    assert_eq!(now.all("remark").await, json!([{"id": "n", "body": "b"}]));

    let mut changes = now.push().await;
    assert_eq!(changes.remove(0), sent, "what was sent goes out as it was");
    let mut said: Vec<_> =
        changes.iter().map(|change| json!([change.entity, change.id, change.set, change.was])).collect();
    let deleted = said.iter().position(|change| change[1] == "r2").unwrap();
    let deleted = said.remove(deleted);
    assert_eq!((&deleted[0], &deleted[3]["name"], &deleted[3]["floor"]), (&json!("job"), &json!("Door"), &json!(4.0)));
    assert_eq!(
        json!(said),
        json!([
            ["job", "r0", {"floor": 9.0}, {"floor": 2.0}],
            ["job", "r3", {"name": "New", "floor": 10.0, "state": "open"}, {}],
            ["remark", "n", {"body": "b"}, {}],
        ]),
        "from version {version}"
    );

    let inbox = now.inbox().await;
    let refused = &inbox[0];
    assert_eq!((&refused["entry"]["entity"], &refused["entry"]["set"]["floor"]), (&json!("job"), &json!(5.0)));
    assert_eq!(refused["fields"], json!({"name": "too short", "floor": "too high"}));
    if version < 4 {
        assert_eq!((&inbox[1]["code"], &inbox[1]["entry"]["id"]), (&json!("schema/removed"), &json!("t")));
    }
    let counts = now.store.counts().await.unwrap();
    assert_eq!((counts.pending, counts.rejected, counts.conflicts), (5, if version < 4 { 2 } else { 1 }, 1));

    // A refusal brings back what the server has, an answer makes the row the server's.
    now.settle(sent.seq, Outcome::Accepted { version: 9 }).await;
    let refused = Outcome::Rejected { code: "no".to_owned(), message: String::new(), fields: [].into() };
    now.settle(changes[0].seq, refused).await;
    let after = now.all("job").await;
    assert_eq!((&after[0]["id"], &after[0]["floor"]), (&json!("r0"), &json!(2.0)), "from version {version}");
    assert_eq!((&after[1]["id"], &after[1]["floor"]), (&json!("r1"), &json!(8.0)));
    let cursors = now.store.cursors(&["job".to_owned()]).await.unwrap();
    // Before version 3 there was no state: what the server has in it must come.
    assert_eq!(cursors.len(), usize::from(version >= 3));
}

#[test]
fn versions_one_after_the_other_are_the_same_as_all_at_once() {
    block_on(async {
        let (slow, quick) = (MemoryStorage::new(), MemoryStorage::new());
        for disk in [&slow, &quick] {
            Device::open(disk, 1).await.fill().await;
        }
        for version in 2..=NEWEST {
            open(&slow, version).await.unwrap();
        }
        let (slow, quick) = (Device::open(&slow, NEWEST).await, Device::open(&quick, NEWEST).await);
        assert_eq!(slow.all("job").await, quick.all("job").await);
        assert_eq!(slow.push().await, quick.push().await);
        // When the tag moved there is when it lost its schema.
        let inbox = async |device: &Device| {
            let mut inbox = device.inbox().await;
            inbox.as_array_mut().unwrap().iter_mut().for_each(|item| item["entry"]["schema"] = json!(null));
            inbox
        };
        assert_eq!(inbox(&slow).await, inbox(&quick).await);
    });
}

#[test]
fn a_newer_store_is_not_touched() {
    block_on(async {
        let disk = MemoryStorage::new();
        Device::open(&disk, NEWEST).await.fill().await;
        let before = contents(&disk).await;
        for version in 1..NEWEST {
            let error = open(&disk, version).await.map(drop).unwrap_err();
            assert_eq!(error.code(), Code::StoreNewer);
            assert_eq!(
                error.detail(),
                format!("the store has version 4 of the schema, this app has version {version}")
            );
        }
        assert_eq!(contents(&disk).await, before);
    });
}

#[test]
fn a_change_of_a_removed_entity_that_was_sent_is_answered_all_the_same() {
    let refused = || Outcome::Rejected { code: "no".to_owned(), message: String::new(), fields: [].into() };
    for outcome in [Outcome::Accepted { version: 3 }, Outcome::Conflict { row: None }, refused()] {
        block_on(async {
            let disk = MemoryStorage::new();
            let old = Device::open(&disk, 1).await;
            old.write(whimbrel_protocol::Op::Create, "tag", "t", json!({"label": "l"})).await.unwrap();
            let sent = old.push().await;
            let now = Device::open(&disk, NEWEST).await;
            assert_eq!(now.push().await, sent);
            let in_inbox = u64::from(!matches!(outcome, Outcome::Accepted { .. }));
            now.settle(sent[0].seq, outcome).await;
            let counts = now.store.counts().await.unwrap();
            assert_eq!((counts.pending, counts.rejected, counts.conflicts), (0, in_inbox, 0));
            assert!(now.push().await.is_empty());
        });
    }
}

async fn open_plain(disk: &MemoryStorage, schema: Schema) -> Result<Store<MemoryStorage>, whimbrel::error::Error> {
    Store::open(disk.connect(), schema, Durability::Relaxed, None).await
}

#[test]
fn what_records_would_lack_is_refused_and_changes_nothing() {
    block_on(async {
        let disk = MemoryStorage::new();
        let mut second = Schema { version: 2, ..schema(1) };
        second.entities[1].fields.push(Field { name: "by".to_owned(), ..Field::default() });
        // Nobody is there to lack anything.
        drop(open_plain(&MemoryStorage::new(), second.clone()).await.unwrap());
        let old = Device::open(&disk, 1).await;
        old.write(whimbrel_protocol::Op::Create, "note", "n", json!({"body": "b"})).await.unwrap();
        let before = contents(&disk).await;
        let error = open_plain(&disk, second.clone()).await.map(drop).unwrap_err();
        assert_eq!(error.code(), Code::SchemaInvalid);
        assert!(error.detail().starts_with("note.by is new and must have a value"), "{error}");
        second.entities[1].fields[1].kind = FieldType::Boolean;
        second.entities[1].fields[1].name = "body".to_owned();
        second.entities[1].fields.remove(0);
        let error = open_plain(&disk, second.clone()).await.map(drop).unwrap_err();
        assert!(error.detail().starts_with("note.body has another type"), "{error}");
        assert_eq!(contents(&disk).await, before);

        second.entities[1].fields[0] = Field {
            name: "done".to_owned(),
            kind: FieldType::Boolean,
            default: Some(Value::Boolean(false)),
            ..Field::default()
        };
        let store = open_plain(&disk, second).await.unwrap();
        assert_eq!(store.get_json("note", "n").await.unwrap().as_deref(), Some(r#"{"id":"n","done":false}"#));
    });
}

/// The mirror of a store of version 1 comes to one of the newest version, which had to become a client of its own.
#[test]
fn what_a_mirror_of_an_older_version_has_kept_is_brought_along() {
    for is_whole in [true, false] {
        block_on(async {
            let disk = MemoryStorage::new();
            let old = Device::open(&disk, 1).await;
            old.create("lost", "Lost", 2).await.unwrap();
            old.create("new", "New", 20).await.unwrap();
            old.store.close().await;
            if !is_whole {
                let is_lost = |lines: &[u8]| String::from_utf8_lossy(lines).contains("Lost");
                disk.change_mirrors(|mirror| mirror.log.retain(|record| !is_lost(&record.lines)));
            }
            disk.wipe();
            let now = Device::open(&disk, NEWEST).await;
            let job = json!({"id": "new", "name": "New", "floor": 10.0, "state": "open"});
            let jobs = now.all("job").await;
            assert_eq!(jobs.as_array().unwrap().last(), Some(&job), "whole: {is_whole}");
            assert_eq!(jobs.as_array().unwrap().len(), if is_whole { 2 } else { 1 });
            let changes = now.push().await;
            let set = json!({"name": "New", "floor": 10.0, "state": "open"});
            assert_eq!(json!(changes.last().map(|change| (&change.entity, &change.set))), json!(["job", set]));
        });
    }
}
