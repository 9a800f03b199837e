//! The store's directory or log is damaged: it begins anew, nothing that was saved is lost, nothing happens twice.

use serde_json::{Value, json};
use whimbrel::driver::News;
use whimbrel::error::Code;
use whimbrel::memory::{MemoryStorage, Mirroring};
use whimbrel::ports::Durability;
use whimbrel::store::{Read as _, Store};
use whimbrel::sync::Settlement;

use crate::device::{Device, HOME, schema};
use crate::platform::{Fault, Origin};
use crate::rules::local;
use crate::server::Server;
use crate::wipes::{open_cut_off, write_alone};

async fn reopened(server: &Server, storage: &MemoryStorage) -> Device {
    Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await
}

/// A device with three orders from the server in pages, and what was done to them in the log: a new one, a change, a deletion.
async fn with_changes(server: &Server, mirroring: Mirroring) -> (Device, MemoryStorage) {
    let storage = MemoryStorage::new();
    storage.set_mirror(mirroring);
    let ana = reopened(server, &storage).await;
    for id in ["2", "3", "4"] {
        ana.create(id, "Pump").await;
    }
    assert_eq!(ana.sync(HOME).await, (Settlement::Complete, None));
    ana.driver.store().compact().await.unwrap();
    (0..1_000).for_each(|_| server.network.fail_next("", Fault::Unreachable));
    ana.create("1", "New").await;
    ana.update("2", json!({"title": "Changed"})).await;
    ana.delete("3").await;
    (ana, storage)
}

fn spoil(storage: &MemoryStorage) {
    storage.damage_directory(|bytes| bytes[9] ^= 1);
}

fn waiting(device: &Device) -> (u64, u64) {
    (device.driver.status().pending, device.driver.status().rejected)
}

async fn synced(server: &Server, device: &Device) -> Vec<String> {
    server.network.heal();
    // The first may be one that was under way before.
    device.sync(HOME).await;
    assert_eq!(device.sync(HOME).await, (Settlement::Complete, None));
    device.orders().await
}

async fn health(device: &Device) -> Value {
    serde_json::from_str(&device.driver.health().await.unwrap()).unwrap()
}

fn list(orders: &[&str]) -> Vec<String> {
    orders.iter().map(|&order| order.to_owned()).collect()
}

local! {
    async fn with_a_mirror_all_that_waits_is_sent_once_by_the_same_client() {
        for hit in 0..3 {
            let server = Server::start().await;
            let (ana, storage) = with_changes(&server, Mirroring::On).await;
            let client = ana.driver.store().client_id().await.unwrap();
            match hit {
                0 => spoil(&storage),
                1 => storage.damage_log(|log| log.values_mut().for_each(|record| record[0] ^= 1)),
                _ => storage.damage_log(|log| drop(log.pop_first())),
            }
            let ana = reopened(&server, &storage).await;
            assert_eq!(ana.driver.store().client_id().await.unwrap(), client);
            let told = health(&ana).await;
            assert_eq!(told["isNew"], true);
            let (lost, recovered) = told["recovered"].as_object().unwrap().iter().next().unwrap();
            assert!(lost.starts_with(&format!("{}#", ana.driver.store().identity())), "{lost}");
            assert_eq!(*recovered, json!({"changes": 3, "refused": 0, "whole": true}));
            assert_eq!((ana.orders().await, waiting(&ana)), (list(&["1 New"]), (3, 0)));
            assert_eq!(synced(&server, &ana).await, list(&["1 New", "2 Changed", "4 Pump"]));
            let ben = Device::new(&server.network, "ben").await;
            assert_eq!(synced(&server, &ben).await, ana.orders().await);
            let again = reopened(&server, &storage).await;
            assert_eq!((health(&again).await["isNew"].clone(), again.orders().await), (json!(false), ana.orders().await));
        }
    }
}

local! {
    async fn without_a_mirror_what_can_be_read_is_sent_by_a_new_client_and_what_is_in_doubt_is_shown() {
        let server = Server::start().await;
        let (ana, storage) = with_changes(&server, Mirroring::Off).await;
        server.network.heal();
        (0..1_000).for_each(|_| server.network.fail_next("push", Fault::AnswerLost));
        assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
        let client = ana.driver.store().client_id().await.unwrap();
        ana.driver.close().await;
        write_alone(&storage, "5", "Later").await;
        let store = Store::open(storage.connect(), schema(), Durability::Relaxed, None).await.unwrap();
        store.compact().await.unwrap();
        write_alone(&storage, "6", "Last").await;
        spoil(&storage);
        storage.set_mirror(Mirroring::On);
        let ana = reopened(&server, &storage).await;
        assert_ne!(ana.driver.store().client_id().await.unwrap(), client);
        assert_eq!((ana.orders().await, waiting(&ana)), (list(&["5 Later", "6 Last"]), (2, 3)));
        assert_eq!(synced(&server, &ana).await, list(&["1 New", "2 Changed", "4 Pump", "5 Later", "6 Last"]));
        assert_eq!(waiting(&ana), (0, 3));
        // The mirror has what there is now, and nothing of before.
        storage.wipe();
        let ana = reopened(&server, &storage).await;
        assert_eq!(waiting(&ana), (0, 3));
        let told = health(&ana).await;
        let recovered: Vec<_> = told["recovered"].as_object().unwrap().values().collect();
        assert_eq!(recovered, [&json!({"changes": 0, "refused": 3, "whole": true})]);
    }
}

local! {
    async fn what_was_answered_is_not_sent_again_although_an_old_page_has_it() {
        let server = Server::start().await;
        let storage = MemoryStorage::new();
        storage.set_mirror(Mirroring::Off);
        let ana = reopened(&server, &storage).await;
        (0..1_000).for_each(|_| server.network.fail_next("", Fault::Unreachable));
        ana.create("1", "Pump").await;
        ana.driver.store().compact().await.unwrap();
        let mut old = Vec::new();
        storage.damage(storage.page_ids()[0], |bytes| old.clone_from(bytes));
        assert_eq!(synced(&server, &ana).await, list(&["1 Pump"]));
        ana.driver.store().compact().await.unwrap();
        ana.driver.close().await;
        storage.add_page(1_000, old);
        spoil(&storage);
        let ana = reopened(&server, &storage).await;
        assert_eq!(waiting(&ana), (0, 0));
        assert_eq!(synced(&server, &ana).await, list(&["1 Pump"]));
    }
}

local! {
    async fn a_rescue_that_is_cut_off_is_done_once() {
        let server = Server::start().await;
        let (_, storage) = with_changes(&server, Mirroring::On).await;
        spoil(&storage);
        open_cut_off(&storage, &server).await;
        let ana = reopened(&server, &storage).await;
        assert_eq!((ana.orders().await, waiting(&ana)), (list(&["1 New"]), (3, 0)));
        assert_eq!(synced(&server, &ana).await, list(&["1 New", "2 Changed", "4 Pump"]));
    }
}

local! {
    async fn a_tab_that_is_open_begins_anew_too_and_says_so() {
        let server = Server::start().await;
        let (ana, storage) = with_changes(&server, Mirroring::On).await;
        let other = reopened(&server, &storage).await;
        ana.create("5", "Later").await;
        storage.damage_log(|log| log.last_entry().into_iter().for_each(|mut record| record.get_mut().clear()));
        other.driver.store().catch_up().await.unwrap();
        // Somebody else of the tab may be making the rows anew just now.
        while other.orders().await != list(&["1 New", "5 Later"]) {
            tokio::task::yield_now().await;
        }
        ana.driver.store().catch_up().await.unwrap();
        assert_eq!(ana.orders().await, other.orders().await);
        let is_report = |news: &News| matches!(news, News::Report(report) if report.grave && report.error.code() == Code::StoreCorrupt);
        assert_eq!(other.told.borrow().iter().filter(|news| is_report(news)).count(), 1);
        assert!(other.told.borrow().contains(&News::Recovered));
        assert_eq!(synced(&server, &other).await, list(&["1 New", "2 Changed", "4 Pump", "5 Later"]));
        assert_eq!(synced(&server, &ana).await, other.orders().await);
    }
}

/// Two tabs without engines on a store in which somebody else has just made a record, with a log record that says nothing.
async fn tabs_of_damaged() -> [Store<MemoryStorage>; 2] {
    let storage = MemoryStorage::new();
    write_alone(&storage, "4", "Earlier").await;
    let open = || Store::open(storage.connect(), schema(), Durability::Relaxed, None);
    let tabs = [open().await.unwrap(), open().await.unwrap()];
    write_alone(&storage, "5", "Later").await;
    storage.damage_log(|log| log.last_entry().into_iter().for_each(|mut record| record.get_mut().clear()));
    storage.set_delay(2);
    tabs
}

async fn rows(store: &Store<MemoryStorage>) -> usize {
    store.read(|view| Ok(view.keys_with_prefix(view.entity_map("workOrder")?, &[])?.len())).await.unwrap()
}

local! {
    async fn who_reads_while_a_tab_begins_anew_does_not_take_the_repair_for_done() {
        let [tab, _] = tabs_of_damaged().await;
        let reading = async { for _ in 0..100 { rows(&tab).await; tokio::task::yield_now().await } };
        let (caught_up, ()) = tokio::join!(tab.catch_up(), reading);
        caught_up.unwrap();
        assert_eq!(rows(&tab).await, 2);
    }
}

local! {
    async fn a_tab_makes_the_rows_anew_when_the_one_that_began_anew_is_gone() {
        let [gone, left] = tabs_of_damaged().await;
        gone.catch_up().await.unwrap();
        drop(gone);
        left.catch_up().await.unwrap();
        assert_eq!(rows(&left).await, 2);
    }
}
