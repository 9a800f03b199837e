//! Several tabs of one device.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use whimbrel::driver::{News, Subject};
use whimbrel::error::Code;
use whimbrel::memory::MemoryStorage;
use whimbrel::ports::TabChannel;
use whimbrel::store::Query;
use whimbrel::sync::Event;

use crate::device::{Device, HOME};
use crate::platform::Origin;
use crate::rules::local;
use crate::server::Server;

local! {
    async fn a_tab_sees_what_another_one_writes() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        one.create("1", "Pump").await;
        while two.driver.status().pending == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(two.orders().await, ["1 Pump"]);
        two.update("1", json!({"title": "Pump 2"})).await;
        while one.orders().await != ["1 Pump 2"] {
            tokio::task::yield_now().await;
        }
    }
}

local! {
    async fn when_a_run_last_completed_is_known_in_every_tab_and_after_a_reload() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        assert_eq!(one.driver.status().last_success, None);
        one.sync(HOME).await;
        let then = one.driver.status().last_success;
        assert!(then.is_some());
        while two.driver.status().last_success != then {
            tokio::task::yield_now().await;
        }
        let later = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        assert_eq!(later.driver.status().last_success, then);
    }
}

local! {
    async fn tabs_that_write_and_sync_at_once_lose_nothing() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let write = async |tab: &Device, letter: &str| {
            for number in 0..50 {
                tab.create(&format!("{letter}{number:02}"), "Pump").await;
                if number % 10 == 0 {
                    tab.sync(HOME).await;
                }
            }
            tab.sync(HOME).await;
        };
        tokio::join!(write(&one, "a"), write(&two, "b"));
        one.sync(HOME).await;
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await.len(), 100);
        assert_eq!(ben.orders().await, one.orders().await);
        assert_eq!(one.driver.status().pending, 0);
    }
}

/// What a watch of all work orders was told, the newest last.
fn watched(tab: &Device) -> Rc<RefCell<Vec<String>>> {
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let ear = Rc::clone(&told);
    tab.driver.watch(
        Subject::Rows(Query::all("workOrder")),
        Box::new(move |rows| ear.borrow_mut().push(rows.map_or_else(|error| error.to_string(), str::to_owned))),
    );
    told
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// The number in a message that says that the log has grown; its third one says what it is.
fn grown(message: &[u8]) -> Option<u64> {
    let mut numbers = message.split_inclusive(|byte| *byte < 0x80);
    let (_version, _units, kind, seq) = (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    (kind == [0]).then(|| seq.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f)))
}

local! {
    async fn commits_that_follow_each_other_share_a_hint_and_the_last_one_is_told() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        // What was told when it opened is told.
        tokio::task::yield_now().await;
        let heard: Rc<RefCell<Vec<u64>>> = Rc::default();
        let ear = Rc::clone(&heard);
        origin.tab().listen(Box::new(move |message| ear.borrow_mut().extend(grown(message))));
        // Time stands still while anything can go on without it.
        tokio::time::pause();
        for number in 0..20 {
            one.create(&number.to_string(), "Pump").await;
        }
        let last = one.driver.store().seq();
        tokio::task::yield_now().await;
        assert_eq!(*heard.borrow(), [last - 19]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.borrow(), [last - 19, last]);
        // What waits to be told when a tab closes is told before.
        one.create("20", "Pump").await;
        one.create("21", "Pump").await;
        one.driver.close().await;
        tokio::task::yield_now().await;
        assert_eq!(heard.borrow().last(), Some(&(last + 2)));
    }
}

local! {
    async fn what_no_hint_told_of_is_seen_all_the_same() {
        let server = Server::start().await;
        let storage = MemoryStorage::new();
        // Two origins: no hint of one reaches the other.
        let one = Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await;
        let two = Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await;
        let told = watched(&two);
        until(|| !told.borrow().is_empty()).await;
        one.create("1", "Pump").await;
        until(|| told.borrow().last().is_some_and(|rows| rows.contains("Pump"))).await;
        // Nobody watches in the first one; coming to the foreground is enough.
        two.create("2", "Lift").await;
        assert_eq!(one.orders().await.len(), 1);
        one.driver.feed(Event::Resumed);
        until(|| one.driver.status().pending == 2).await;
        assert_eq!(one.orders().await.len(), 2);
    }
}

local! {
    async fn a_database_that_is_deleted_ends_every_tab() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        one.create("1", "Pump").await;
        storage.delete();
        for tab in [&one, &two] {
            until(|| matches!(tab.told.borrow().last(), Some(News::Ended(_)))).await;
            let told = tab.told.borrow();
            let ends = told.iter().filter(|news| matches!(news, News::Ended(why) if why.code() == Code::StoreDeleted));
            assert_eq!(ends.count(), 1);
        }
        let write = json!([{"op": "delete", "entity": "workOrder", "id": "1"}]);
        assert_eq!(one.write(write).await.unwrap_err().code(), Code::StoreDeleted);
        let read = two.driver.store().get_json("workOrder", "1").await;
        assert_eq!(read.unwrap_err().code(), Code::StoreDeleted);
        assert_eq!(two.driver.store().catch_up().await.unwrap_err().code(), Code::StoreDeleted);
    }
}

local! {
    async fn a_tab_that_closes_is_not_told_of_its_end() {
        let server = Server::start().await;
        let storage = MemoryStorage::new();
        let tab = Device::open(storage.connect(), &server.network, &Origin::default(), "ana").await;
        tab.driver.close().await;
        storage.delete();
        tab.driver.feed(Event::Resumed);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!tab.told.borrow().iter().any(|news| matches!(news, News::Ended(_))));
        assert_eq!(tab.driver.store().catch_up().await.unwrap_err().code(), Code::StoreClosed);
    }
}
