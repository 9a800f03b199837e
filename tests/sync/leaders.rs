//! One tab leads, and the others' requests reach it; a tab that is frozen or was robbed does no harm.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use whimbrel::driver::News;
use whimbrel::memory::{Call, MemoryStorage};
use whimbrel::ports::Lock;
use whimbrel::sync::{Notice, Phase, RequestId, Settlement, UnitId};

use crate::device::{Device, FETCH, HOME, WATCHER};
use crate::platform::Origin;
use crate::rules::local;
use crate::server::Server;

/// The lock of the devices of these tests.
const LOCK: &str = "test";

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

fn outcomes(tab: &Device, request: RequestId) -> Vec<Settlement> {
    let told = tab.told.borrow();
    let settled = told.iter().filter_map(|news| match news {
        News::Sync(Notice::Settled { requests, outcome, .. }) if requests.contains(&request) => Some(*outcome),
        _ => None,
    });
    settled.collect()
}

/// The runs that a tab has told of: their units and how they ended, in order.
fn runs(tab: &Device) -> Vec<(u64, UnitId, &'static str)> {
    let told = tab.told.borrow();
    let runs = told.iter().filter_map(|news| match news {
        News::Sync(Notice::Start { run, unit, .. }) => Some((run.0, *unit, "start")),
        News::Sync(Notice::Complete { run, unit, .. }) => Some((run.0, *unit, "complete")),
        News::Sync(Notice::Error { run, unit, .. }) => Some((run.0, *unit, "error")),
        News::Sync(Notice::Cancelled { run, unit }) => Some((run.0, *unit, "cancelled")),
        _ => None,
    });
    runs.collect()
}

/// Looks at every commit: what belongs to a run is committed by the tab only that began to lead last. The numbers of those that did otherwise.
fn watch() -> Rc<RefCell<Vec<u64>>> {
    let (stale, leader): (Rc<RefCell<Vec<u64>>>, Cell<u64>) = (Rc::default(), Cell::new(0));
    let found = Rc::clone(&stale);
    WATCHER.set(Some(Rc::new(move |device, commit| {
        let has = |key: &str| commit.record.windows(key.len()).any(|part| part == key.as_bytes());
        if has("epoch") {
            leader.set(device);
        } else if (has("success") || has("count/ack") || has("count/seq") || has("bucket/")) && leader.get() != device {
            found.borrow_mut().push(device);
        }
    })));
    stale
}

local! {
    async fn r1_a_leader_that_was_robbed_without_knowing_moves_nothing() {
        let mut overtaken = 0;
        for step in 1..8 {
            let stale = watch();
            let server = Server::start().await;
            let (origin, storage) = (Origin::default(), MemoryStorage::new());
            let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
            let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
            for number in 0..5 {
                one.create(&number.to_string(), "Pump").await;
            }
            let (calls, is_done) = (Cell::new(0), Rc::new(Cell::new(false)));
            let (robbed, done) = (origin.clone(), Rc::clone(&is_done));
            storage.on_call(move |call| {
                calls.set(calls.get() + u32::from(call == Call::Commit));
                if calls.get() >= step && !done.get() {
                    done.set(robbed.pass_on(LOCK));
                }
                None
            });
            // Nobody hears of the other's runs: both have to do the work themselves.
            origin.is_deaf.set(true);
            let (first, second) = tokio::join!(one.sync(HOME), two.sync(HOME));
            assert_eq!((first.0, second.0), (Settlement::Complete, Settlement::Complete));
            storage.heal();
            assert_eq!(*stale.borrow(), Vec::<u64>::new(), "robbed at commit {step}");
            let ends = runs(&one);
            overtaken += ends.iter().filter(|(_, _, what)| *what == "cancelled").count();
            assert_eq!(one.orders().await.len(), 5);
            let ben = Device::new(&server.network, "ben").await;
            ben.sync(HOME).await;
            assert_eq!(ben.orders().await.len(), 5);
            WATCHER.set(None);
        }
        assert!(overtaken > 0, "nobody was overtaken in the middle of a run");
    }
}

local! {
    async fn r3_requests_of_all_tabs_are_served_one_after_the_other_and_seen_in_every_tab() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let first = one.driver.trigger(&[HOME], false, false, false).unwrap();
        until(|| one.driver.status().run.is_some()).await;
        let second = two.driver.trigger(&[FETCH, HOME], false, false, false).unwrap();
        until(|| outcomes(&one, first[0]).len() + second.iter().map(|request| outcomes(&two, *request).len()).sum::<usize>() == 3).await;
        until(|| one.driver.status().phase == Phase::Idle && two.driver.status().phase == Phase::Idle).await;
        let told = runs(&one);
        assert_eq!(told, runs(&two));
        let units: Vec<_> = told.iter().map(|(_, unit, what)| (*unit, *what)).collect();
        let served = [HOME, FETCH, HOME].into_iter().flat_map(|unit| [(unit, "start"), (unit, "complete")]);
        assert_eq!(units, served.collect::<Vec<_>>());
    }
}

local! {
    async fn r1_the_lock_is_taken_from_a_tab_that_does_not_answer() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let is_told = Rc::new(Cell::new(0));
        let told = Rc::clone(&is_told);
        let _frozen = origin.acquire(LOCK, false, Box::new(move || told.set(told.get() + 1))).await.unwrap();
        assert_eq!(two.sync(HOME).await, (Settlement::Complete, None));
        assert_eq!(is_told.get(), 1);
    }
}

local! {
    async fn r19_a_discard_reaches_the_requests_of_every_tab() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        one.driver.set_paused(true).await.unwrap();
        until(|| two.driver.status().phase == Phase::Paused).await;
        let first = one.driver.trigger(&[HOME, FETCH], false, false, false).unwrap();
        let second = two.driver.trigger(&[FETCH], false, false, false).unwrap();
        let last = two.driver.trigger(&[HOME], true, false, false).unwrap();
        until(|| outcomes(&one, first[1]).len() == 1).await;
        for (tab, request) in [(&one, first[0]), (&one, first[1]), (&two, second[0])] {
            assert_eq!(outcomes(tab, request), [Settlement::Discarded]);
        }
        assert_eq!(outcomes(&two, last[0]), []);
        // Any tab lets it go on.
        one.driver.set_paused(false).await.unwrap();
        until(|| !outcomes(&two, last[0]).is_empty()).await;
        assert_eq!(outcomes(&two, last[0]), [Settlement::Complete]);
    }
}

local! {
    async fn what_was_asked_for_and_a_pause_outlive_the_app() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let killed = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        killed.driver.set_paused(true).await.unwrap();
        killed.driver.trigger(&[FETCH], false, false, false).unwrap();
        while killed.driver.store().wanted().await.unwrap() != ["fetch"] {
            tokio::task::yield_now().await;
        }
        assert_eq!(killed.driver.status().phase, Phase::Paused);
        killed.driver.close().await;
        let again = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        assert_eq!((again.driver.status().phase, runs(&again)), (Phase::Paused, Vec::new()));
        again.driver.set_paused(false).await.unwrap();
        until(|| runs(&again).len() == 2 && again.driver.status().phase == Phase::Idle).await;
        let told: Vec<_> = runs(&again).into_iter().map(|(_, unit, what)| (unit, what)).collect();
        assert_eq!(told, [(FETCH, "start"), (FETCH, "complete")]);
        assert_eq!(again.driver.store().wanted().await.unwrap(), Vec::<String>::new());
    }
}

local! {
    async fn another_tabs_change_is_confirmed_in_the_tab_that_wrote_it() {
        let server = Server::start().await;
        let (origin, storage) = (Origin::default(), MemoryStorage::new());
        let one = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let two = Device::open(storage.connect(), &server.network, &origin, "ana").await;
        let written = one.create("1", "Pump").await;
        assert_eq!(two.sync(HOME).await, (Settlement::Complete, None));
        until(|| one.confirmed().iter().any(|confirmed| confirmed.change == written.change)).await;
    }
}
