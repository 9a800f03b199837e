//! The browser wipes the store, and the mirror is left: nothing that was saved is lost, nothing happens twice.

use serde_json::{Value, json};
use whimbrel::driver::{FilePiece, News};
use whimbrel::error::{Code, Error};
use whimbrel::memory::{Call, Fault as StorageFault, MemoryStorage, Mirroring};
use whimbrel::ports::Durability;
use whimbrel::store::{LocalWrite, Store, write};
use whimbrel::sync::Settlement;

use crate::device::{Device, HOME, schema};
use crate::platform::{Fault, Origin};
use crate::rules::local;
use crate::server::Server;

async fn reopened(server: &Server, storage: &MemoryStorage) -> Device {
    Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await
}

/// A device with `2` and `3` from the server, and what was done to them there.
async fn with_changes(server: &Server) -> (Device, MemoryStorage) {
    let storage = MemoryStorage::new();
    let ana = reopened(server, &storage).await;
    for id in ["2", "3"] {
        ana.create(id, "Pump").await;
    }
    assert_eq!(ana.sync(HOME).await, (Settlement::Complete, None));
    ana.create("1", "New").await;
    ana.update("2", json!({"title": "Changed"})).await;
    ana.delete("3").await;
    (ana, storage)
}

fn pending(device: &Device) -> (u64, u64) {
    (device.driver.status().pending, device.driver.status().rejected)
}

/// Lets the network go again, and waits for a run that was not under way when it did.
async fn synced(server: &Server, device: &Device) {
    server.network.heal();
    while device.sync(HOME).await.0 != Settlement::Complete {}
    assert_eq!(device.sync(HOME).await, (Settlement::Complete, None));
}

/// Writes without an engine, which would try to send it.
pub(crate) async fn write_alone(storage: &MemoryStorage, id: &str, title: &str) {
    let store = Store::open(storage.connect(), schema(), Durability::Relaxed, None).await.unwrap();
    let fields = serde_json::from_value(json!({"title": title, "status": "open"})).unwrap();
    let (op, entity) = (whimbrel_protocol::Op::Create, "workOrder".to_owned());
    let one = LocalWrite {
        op,
        entity,
        id: id.to_owned(),
        fields,
        change: format!("00000000-0000-7000-8000-00000000000{id}"),
        at: 0,
    };
    store.transact(|txn| write(txn, &one)).await.unwrap();
}

async fn recovered(device: &Device) -> Vec<Value> {
    let notes: Value = serde_json::from_str(&device.driver.store().recovered().await.unwrap()).unwrap();
    notes.as_object().unwrap().values().cloned().collect()
}

local! {
    async fn what_waited_waits_again_and_is_sent_once() {
        let server = Server::start().await;
        let (ana, storage) = with_changes(&server).await;
        let client = ana.driver.store().client_id().await.unwrap();
        storage.wipe();
        (0..1_000).for_each(|_| server.network.fail_next("", Fault::Unreachable));
        let ana = reopened(&server, &storage).await;
        assert_eq!(ana.driver.store().client_id().await.unwrap(), client);
        assert_eq!(recovered(&ana).await, [json!({"changes": 3, "refused": 0, "whole": true})]);
        // The changes of rows that are not here wait unseen.
        assert_eq!((ana.orders().await, pending(&ana)), (vec!["1 New".to_owned()], (3, 0)));
        assert_eq!(storage.all_mirrors().len(), 1, "the old mirror is forgotten");
        synced(&server, &ana).await;
        assert_eq!((ana.orders().await, pending(&ana)), (vec!["1 New".to_owned(), "2 Changed".to_owned()], (0, 0)));
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ana.orders().await);
        assert_eq!(reopened(&server, &storage).await.orders().await, ana.orders().await);
    }
}

local! {
    async fn a_pull_before_the_push_shows_the_row_with_the_change_over_it() {
        let server = Server::start().await;
        let (_, storage) = with_changes(&server).await;
        storage.wipe();
        // What waits is sent as soon as the store is open, by itself; not this time.
        (0..1_000).for_each(|_| server.network.fail_next("push", Fault::Unreachable));
        let ana = reopened(&server, &storage).await;
        let lines = r#"{"start":{"protocol":1,"history":"h","buckets":[{"bucket":"workOrder/all","pending":2}]}}
{"rows":{"bucket":"workOrder/all","columns":["id","_version","title","status","count"],"data":[["2",1,"Pump","open",null],["3",2,"Pump","open",null]]}}
{"cursor":{"bucket":"workOrder/all","cursor":"x"}}
{"end":{}}
"#;
        let mut pieces = lines.as_bytes().chunks(50).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
        let file = move || -> FilePiece { Box::pin(std::future::ready(pieces.next())) };
        assert_eq!(ana.driver.load(Box::new(file)).await, Ok(2));
        assert_eq!((ana.orders().await, pending(&ana)), (vec!["1 New".to_owned(), "2 Changed".to_owned()], (3, 0)));
    }
}

local! {
    async fn what_was_sent_and_not_answered_keeps_its_number() {
        let server = Server::start().await;
        let (ana, storage) = with_changes(&server).await;
        (0..1_000).for_each(|_| server.network.fail_next("push", Fault::AnswerLost));
        assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
        ana.create("4", "Later").await;
        // A browser that wipes has killed what ran: a retry that is under way must not write on what is no more.
        ana.driver.close().await;
        storage.wipe();
        let ana = reopened(&server, &storage).await;
        assert_eq!(pending(&ana), (4, 0));
        synced(&server, &ana).await;
        assert_eq!((ana.orders().await, pending(&ana)), (vec!["1 New".to_owned(), "2 Changed".to_owned(), "4 Later".to_owned()], (0, 0)));
        // Numbers go on where they were.
        ana.create("5", "After").await;
        assert_eq!(ana.sync(HOME).await, (Settlement::Complete, None));
    }
}

local! {
    async fn a_mirror_with_a_gap_makes_a_new_client_and_what_is_in_doubt_is_shown() {
        let server = Server::start().await;
        let (ana, storage) = with_changes(&server).await;
        (0..1_000).for_each(|_| server.network.fail_next("push", Fault::AnswerLost));
        assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
        let client = ana.driver.store().client_id().await.unwrap();
        ana.driver.close().await;
        for (id, title) in [("4", "Lost"), ("5", "Kept")] {
            write_alone(&storage, id, title).await;
        }
        let is_lost = |lines: &[u8]| String::from_utf8_lossy(lines).contains("Lost");
        storage.change_mirrors(|mirror| mirror.log.retain(|record| !is_lost(&record.lines)));
        storage.wipe();
        let ana = reopened(&server, &storage).await;
        assert_ne!(ana.driver.store().client_id().await.unwrap(), client);
        assert_eq!(recovered(&ana).await, [json!({"changes": 4, "refused": 0, "whole": false})]);
        assert_eq!(pending(&ana), (1, 3));
        synced(&server, &ana).await;
        let kept = vec!["1 New".to_owned(), "2 Changed".to_owned(), "5 Kept".to_owned()];
        assert_eq!((ana.orders().await, pending(&ana)), (kept, (0, 3)));
        let inbox: Value = serde_json::from_str(&ana.driver.store().inbox().await.unwrap().0).unwrap();
        assert!(inbox.as_array().unwrap().iter().all(|refused| refused["code"] == "store/wiped"));
    }
}

/// Opens the store again and again, and each time another one of its commits is taken for failed.
pub(crate) async fn open_cut_off(storage: &MemoryStorage, server: &Server) {
    for step in 1..6 {
        let mut calls = 0;
        storage.on_call(move |call| {
            calls += u32::from(call == Call::Commit);
            let error = Error::new(Code::StoreFailed, "made up");
            (calls == step && call == Call::Commit).then_some(StorageFault::After(error))
        });
        drop(Device::try_open(storage.connect(), &server.network).await);
    }
    storage.heal();
}

local! {
    async fn a_recovery_that_is_cut_off_is_done_once() {
        let server = Server::start().await;
        let (_, storage) = with_changes(&server).await;
        storage.wipe();
        (0..1_000).for_each(|_| server.network.fail_next("", Fault::Unreachable));
        open_cut_off(&storage, &server).await;
        let ana = reopened(&server, &storage).await;
        assert_eq!((ana.orders().await, pending(&ana)), (vec!["1 New".to_owned()], (3, 0)));
        synced(&server, &ana).await;
        assert_eq!((ana.orders().await, pending(&ana)), (vec!["1 New".to_owned(), "2 Changed".to_owned()], (0, 0)));
    }
}

local! {
    async fn refused_changes_and_a_snapshot_come_back_too() {
        let server = Server::start().await;
        let storage = MemoryStorage::new();
        let ana = reopened(&server, &storage).await;
        ana.create("1", "A title that is too long for the server").await;
        ana.sync(HOME).await;
        assert_eq!(pending(&ana), (0, 1));
        (0..1_000).for_each(|_| server.network.fail_next("", Fault::Unreachable));
        ana.create("2", "Pump").await;
        ana.driver.store().put_snapshot().await.unwrap();
        ana.create("3", "Pump").await;
        let inbox = ana.driver.store().inbox().await.unwrap().0;
        // A browser that wipes has killed what ran: nobody writes on what is no more.
        ana.driver.close().await;
        storage.wipe();
        let again = reopened(&server, &storage).await;
        assert_eq!(pending(&again), (2, 1));
        assert_eq!(again.driver.store().inbox().await.unwrap().0, inbox);
        again.driver.close().await;
        storage.wipe();
        let again = reopened(&server, &storage).await;
        assert_eq!(pending(&again), (2, 1), "what was recovered is mirrored too");
    }
}

local! {
    async fn a_mirror_that_comes_late_is_added_to_what_is_there() {
        let server = Server::start().await;
        let (_, storage) = with_changes(&server).await;
        storage.wipe();
        storage.set_mirror(Mirroring::Off);
        let ana = reopened(&server, &storage).await;
        ana.create("9", "Mine").await;
        assert_eq!(pending(&ana), (1, 0));
        storage.set_mirror(Mirroring::On);
        assert!(ana.driver.store().recover().await.unwrap());
        ana.driver.store().repair().await.unwrap();
        assert_eq!(ana.sync(HOME).await, (Settlement::Complete, None));
        let all = vec!["1 New".to_owned(), "2 Changed".to_owned(), "9 Mine".to_owned()];
        assert_eq!((ana.orders().await, pending(&ana)), (all, (0, 0)));
    }
}

local! {
    async fn a_mirror_that_fails_is_said_once_and_mended_when_there_is_time() {
        let server = Server::start().await;
        let (ana, storage) = with_changes(&server).await;
        storage.set_mirror(Mirroring::Fails);
        ana.create("4", "Unmirrored").await;
        storage.set_mirror(Mirroring::On);
        let reports = |device: &Device| {
            let told = device.told.borrow();
            let codes = told.iter().filter_map(|news| match news {
                News::Report(report) => Some(report.error.code()),
                _ => None,
            });
            codes.collect::<Vec<_>>()
        };
        assert_eq!(reports(&ana), [Code::StoreMirror]);
        while storage.all_mirrors()[0].snapshot.is_empty() {
            tokio::task::yield_now().await;
        }
        storage.wipe();
        let ana = reopened(&server, &storage).await;
        assert_eq!(recovered(&ana).await, [json!({"changes": 4, "refused": 0, "whole": true})]);
    }
}
