//! What a sync does when the network fails: nothing lost, nothing twice, and a typed error each time.

use serde_json::json;
use whimbrel::memory::MemoryStorage;
use whimbrel::sync::{Phase, Settlement};

use crate::device::{Device, HOME};
use crate::platform::{Fault, Origin};
use crate::rules::local;
use crate::server::Server;

async fn fails(fault: Fault, path: &'static str) -> (Option<&'static str>, Phase) {
    let server = Server::start().await;
    let ana = Device::new(&server.network, "ana").await;
    ana.create("1", "Pump").await;
    server.network.fail_next(path, fault);
    let (outcome, code) = ana.sync(HOME).await;
    assert_eq!(outcome, Settlement::Error);
    let phase = ana.driver.status().phase;
    assert_eq!(ana.sync(HOME).await, (Settlement::Complete, None));
    assert_eq!((ana.orders().await, ana.driver.status().pending), (vec!["1 Pump".to_owned()], 0));
    (code, phase)
}

local! {
    async fn every_failure_has_a_code_and_the_next_run_heals_it() {
        let cases = [
            (Fault::Unreachable, "push", "network/unreachable", Phase::Backoff),
            (Fault::AnswerLost, "push", "network/unreachable", Phase::Backoff),
            (Fault::Portal, "push", "network/not-our-server", Phase::Backoff),
            (Fault::Status(302), "push", "network/not-our-server", Phase::Backoff),
            (Fault::Status(502), "push", "server/failed", Phase::Backoff),
            (Fault::Status(503), "push", "server/busy", Phase::Backoff),
            (Fault::Garbage, "push", "protocol/malformed", Phase::Idle),
            (Fault::CutAfter(10), "push", "protocol/truncated", Phase::Backoff),
            (Fault::Unreachable, "pull", "network/unreachable", Phase::Backoff),
            (Fault::Portal, "pull", "network/not-our-server", Phase::Backoff),
            (Fault::Garbage, "pull", "protocol/malformed", Phase::Idle),
            (Fault::CutAfter(0), "pull", "protocol/truncated", Phase::Backoff),
            (Fault::CutAfter(40), "pull", "protocol/truncated", Phase::Backoff),
            (Fault::LastLineLost, "pull", "protocol/truncated", Phase::Backoff),
        ];
        for (fault, path, code, phase) in cases {
            assert_eq!(fails(fault, path).await, (Some(code), phase), "{fault:?} of {path}");
        }
    }
}

local! {
    async fn a_lost_answer_does_nothing_twice() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        for number in 0..20 {
            ana.create(&format!("{number:02}"), "Pump").await;
        }
        server.network.fail_next("push", Fault::AnswerLost);
        assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
        server.network.fail_next("push", Fault::AnswerLost);
        // Written after the lost answer: it must not fold into what was sent.
        ana.update("00", json!({"title": "Pump 2"})).await;
        // The device tries again by itself too: that run may be the one that meets the fault, or may have sent all before there was one.
        while server.network.is_failing() && ana.driver.status().pending > 0 {
            ana.sync(HOME).await;
        }
        server.network.heal();
        assert_eq!(ana.sync(HOME).await.0, Settlement::Complete);
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ana.orders().await);
        assert_eq!((ana.orders().await.len(), ana.confirmed().len()), (20, 21));
    }
}

local! {
    async fn a_pull_that_breaks_off_anywhere_goes_on_from_there() {
        let server = Server::start().await;
        let rows = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) \
             insert into place (id, name, country) select printf('%05d', i), 'Place ' || i, 'ES' from n";
        server.sql(rows).await;
        for cut in [100, 20_000, 90_000, 150_000] {
            let ana = Device::new(&server.network, "ana").await;
            server.network.fail_next("pull", Fault::CutAfter(cut));
            assert_eq!(ana.sync(HOME).await, (Settlement::Error, Some("protocol/truncated")));
            assert_eq!(ana.sync(HOME).await.0, Settlement::Complete);
            assert_eq!(ana.all("place").await.as_array().unwrap().len(), 5_000, "cut after {cut}");
        }
    }
}

local! {
    async fn an_expired_token_is_asked_for_once_more_and_loses_nothing() {
        let server = Server::start().await;
        let open = async |tokens| {
            Device::open_with(MemoryStorage::new(), &server.network, &Origin::default(), tokens, Default::default()).await
        };
        let refreshed = open(vec!["expired", "ana"]).await;
        refreshed.create("1", "Pump").await;
        assert_eq!(refreshed.sync(HOME).await, (Settlement::Complete, None));
        let signed_out = open(vec!["expired", "expired", "ana"]).await;
        signed_out.create("2", "Roof").await;
        assert_eq!(signed_out.sync(HOME).await, (Settlement::Error, Some("auth/unauthenticated")));
        assert_eq!((signed_out.driver.status().phase, signed_out.driver.status().pending), (Phase::SignedOut, 1));
        assert_eq!(signed_out.sync(HOME).await, (Settlement::Complete, None));
        assert_eq!(signed_out.orders().await, ["1 Pump", "2 Roof"]);
    }
}

local! {
    async fn what_was_written_before_a_crash_is_sent_after_it() {
        let server = Server::start().await;
        let origin = Origin::default();
        let ana = Device::open(MemoryStorage::new(), &server.network, &origin, "ana").await;
        ana.create("1", "Pump").await;
        server.network.fail_next("push", Fault::AnswerLost);
        ana.sync(HOME).await;
        ana.create("2", "Roof").await;
        let storage = ana.storage.connect();
        drop(ana);
        let again = Device::open(storage, &server.network, &origin, "ana").await;
        assert_eq!(again.orders().await, ["1 Pump", "2 Roof"]);
        again.sync(HOME).await;
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ["1 Pump", "2 Roof"]);
        assert_eq!(again.driver.status().pending, 0);
    }
}
