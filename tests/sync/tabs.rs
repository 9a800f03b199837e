//! Several tabs of one device.

use serde_json::json;
use whimbrel::memory::MemoryStorage;

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
