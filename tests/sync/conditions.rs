//! Conditions of units, hooks of the app, and what a developer is told.

use whimbrel::driver::{News, Report};
use whimbrel::error::Code;
use whimbrel::memory::MemoryStorage;
use whimbrel::model::{Unit, UnitPolicy};
use whimbrel::sync::{Auto, Notice, Phase, Settlement, UnitId};

use crate::device::{Device, HOME};
use crate::platform::Origin;
use crate::rules::local;
use crate::server::Server;
use crate::wipes::write_alone;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);

fn unit(name: &str, policy: UnitPolicy) -> Unit {
    let orders = vec!["workOrder".to_owned()];
    Unit { name: name.to_owned(), push: orders.clone(), pull: orders, policy }
}

fn reports(device: &Device) -> Vec<Code> {
    let told = device.told.borrow();
    let reports = told.iter().filter_map(|news| match news {
        News::Report(Report { error, .. }) => Some(error.code()),
        _ => None,
    });
    reports.collect()
}

local! {
    async fn r7_a_request_has_as_many_changes_as_its_unit_says() {
        let server = Server::start().await;
        let small = UnitPolicy { batch_size: Some(2), ..UnitPolicy::default() };
        let ana = Device::with_units(&server.network, vec![unit("small", small)]).await;
        for number in 0..5 {
            ana.create(&number.to_string(), "Pump").await;
        }
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        let told = ana.told.borrow();
        let mut pushed: Vec<u64> = told
            .iter()
            .filter_map(|news| match news {
                News::Sync(Notice::Progress { progress, .. }) => Some(progress.pushed),
                _ => None,
            })
            .collect();
        pushed.dedup();
        assert_eq!(pushed, [2, 4, 5]);
    }
}

local! {
    async fn r7_a_run_that_takes_too_long_keeps_what_it_has_done() {
        let server = Server::start().await;
        // A millisecond of the engine is a microsecond of the test: no run is that quick.
        let hasty = UnitPolicy { timeout_ms: Some(1), retry: None, ..UnitPolicy::default() };
        let units = vec![unit("hasty", hasty), unit("home", UnitPolicy::default())];
        let ana = Device::with_units(&server.network, units).await;
        ana.create("1", "Pump").await;
        assert_eq!(ana.sync(HOME).await, (Settlement::Error, Some("sync/timeout")));
        assert_eq!(ana.sync(UnitId(1)).await, COMPLETE);
        assert_eq!((ana.orders().await, ana.driver.status().pending), (vec!["1 Pump".to_owned()], 0));
    }
}

local! {
    async fn r12_a_hook_that_fails_fails_its_own_unit() {
        let server = Server::start().await;
        let units = ["refused", "home"].map(|name| unit(name, UnitPolicy::default()));
        let ana = Device::with_units(&server.network, units.to_vec()).await;
        ana.create("1", "Pump").await;
        assert_eq!(ana.sync(HOME).await, (Settlement::Error, Some("hook/failed")));
        assert_eq!(ana.driver.status().pending, 1);
        assert_eq!(ana.sync(UnitId(1)).await, COMPLETE);
        assert_eq!(ana.driver.status().pending, 0);
    }
}

local! {
    async fn r6_a_full_reload_is_reported() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.create("1", "Pump").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(reports(&ana), []);
        server.sql("update whimbrel_meta set value = 'another' where name = 'history'").await;
        ana.sync(HOME).await;
        assert!(reports(&ana).contains(&Code::Reloaded), "{:?}", reports(&ana));
    }
}

local! {
    async fn r4_a_record_that_is_too_heavy_is_reported_once() {
        let server = Server::start().await;
        server.sql("insert into place (id, name, country) values ('a', printf('%.*c', 60000, 'x'), 'ES')").await;
        let ana = Device::new(&server.network, "ana").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(reports(&ana), []);
        server.sql("update place set name = printf('%.*c', 70000, 'x')").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        server.sql("update place set name = printf('%.*c', 80000, 'x')").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(reports(&ana), [Code::LargeRow]);
    }
}

local! {
    async fn r21_changes_that_nobody_sends_are_reported_after_a_day() {
        let server = Server::start().await;
        let open = async |auto| {
            let storage = MemoryStorage::new();
            // Written in 1970.
            write_alone(&storage, "1", "Pump").await;
            Device::open_with(storage, &server.network, &Origin::default(), vec!["ana"], auto).await
        };
        assert_eq!(reports(&open(Auto::default()).await), [Code::StaleChanges]);
        assert_eq!(reports(&open(Auto { online: Some(HOME), ..Auto::default() }).await), []);
        let fresh = Device::new(&server.network, "ana").await;
        fresh.create("2", "Roof").await;
        let again = Device::open(fresh.storage.connect(), &server.network, &Origin::default(), "ana").await;
        assert_eq!(reports(&again), []);
    }
}

local! {
    async fn r21_a_login_without_a_server_opens_what_is_here() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.create("1", "Pump").await;
        let storage = ana.storage.connect();
        ana.driver.close().await;
        (0..100).for_each(|_| server.network.fail_next("", crate::platform::Fault::Unreachable));
        let auto = Auto { start: Some(HOME), login: Some(HOME), ..Auto::default() };
        let again = Device::open_with(storage, &server.network, &Origin::default(), vec!["ana"], auto).await;
        again.driver.signed_in();
        assert_eq!(again.sync(HOME).await, (Settlement::Error, Some("network/unreachable")));
        assert_eq!((again.orders().await, again.driver.status().pending), (vec!["1 Pump".to_owned()], 1));
        assert_ne!(again.driver.status().phase, Phase::SignedOut);
    }
}
