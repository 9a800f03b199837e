//! Sessions: tokens that expire, users that may not, stores that are another user's. Nothing is lost for any of it.

use serde_json::json;
use whimbrel::driver::News;
use whimbrel::memory::MemoryStorage;
use whimbrel::sync::{Auto, Notice, Phase, Settlement};

use crate::device::{Device, FETCH, HOME};
use crate::platform::{Fault, Origin};
use crate::rules::local;
use crate::server::Server;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);

async fn open(server: &Server, storage: MemoryStorage, tokens: Vec<&'static str>, auto: Auto) -> Device {
    Device::open_with(storage, &server.network, &Origin::default(), tokens, auto).await
}

/// Waits until the device has no run and nothing to do.
async fn rest(device: &Device, phase: Phase) {
    while device.driver.status().phase != phase {
        tokio::task::yield_now().await;
    }
}

fn forbidden(device: &Device) -> Vec<String> {
    let told = device.told.borrow();
    let last = told.iter().rev().find_map(|news| match news {
        News::Sync(Notice::Complete { forbidden, .. }) => Some(forbidden.clone()),
        _ => None,
    });
    last.unwrap_or_default()
}

local! {
    async fn a_token_is_kept_until_the_server_refuses_it() {
        let server = Server::start().await;
        // Asked a second time the app would give nothing that the server takes.
        let ana = open(&server, MemoryStorage::new(), vec!["ana", "wrong"], Auto::default()).await;
        ana.create("1", "Pump").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        ana.create("2", "Roof").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        server.network.fail_next("push", Fault::Status(401));
        ana.create("3", "Gate").await;
        assert_eq!(ana.sync(HOME).await, (Settlement::Error, Some("auth/unauthenticated")), "now it was asked again");
        assert_eq!((ana.driver.status().phase, ana.driver.status().pending), (Phase::SignedOut, 1));
    }
}

local! {
    async fn a_refused_token_is_renewed_once_and_the_same_batch_goes_on() {
        let server = Server::start().await;
        let ana = open(&server, MemoryStorage::new(), vec!["ana"], Auto::default()).await;
        ana.create("1", "Pump").await;
        server.network.fail_next("push", Fault::Status(401));
        server.network.fail_next("pull", Fault::Status(401));
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!((ana.driver.status().pending, ana.confirmed().len()), (0, 1));
    }
}

local! {
    async fn r21_signed_out_waits_for_a_login_and_drops_nothing() {
        let server = Server::start().await;
        let auto = Auto { change: Some(HOME), login: Some(FETCH), ..Auto::default() };
        let ana = open(&server, MemoryStorage::new(), vec!["fails", "ana"], auto).await;
        ana.create("1", "Pump").await;
        rest(&ana, Phase::SignedOut).await;
        // Written meanwhile: nobody asks the server, which would only refuse it.
        ana.create("2", "Roof").await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let status = ana.driver.status();
        assert_eq!((status.phase, status.pending), (Phase::SignedOut, 2));
        let runs = || ana.told.borrow().iter().filter(|news| matches!(news, News::Sync(Notice::Start { .. }))).count();
        assert_eq!(runs(), 1);
        ana.driver.signed_in();
        rest(&ana, Phase::Idle).await;
        assert_eq!((ana.driver.status().pending, runs()), (0, 3), "the unit of auto.login, and the one that had failed");
    }
}

local! {
    async fn a_token_that_is_refused_twice_is_not_kept() {
        let server = Server::start().await;
        let ana = open(&server, MemoryStorage::new(), vec!["old", "old", "ana"], Auto::default()).await;
        ana.create("1", "Pump").await;
        assert_eq!(ana.sync(HOME).await, (Settlement::Error, Some("auth/unauthenticated")));
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(ana.driver.status().pending, 0);
    }
}

local! {
    async fn r18_what_the_user_may_not_see_holds_up_nothing_else() {
        let server = Server::start().await;
        server.sql("insert into place (id, name, country) values ('a', 'Vigo', 'ES')").await;
        let ana = Device::new(&server.network, "ana").await;
        ana.create("1", "Pump").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!(forbidden(&ana), Vec::<String>::new());
        // A user without any country has no places.
        let cleo = Device::new(&server.network, "cleo").await;
        assert_eq!(cleo.sync(HOME).await, COMPLETE);
        assert_eq!((cleo.orders().await, forbidden(&cleo)), (vec!["1 Pump".to_owned()], vec!["place".to_owned()]));
    }
}

local! {
    async fn a_server_that_forbids_the_whole_pull_is_asked_for_each_entity() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        let ben = Device::new(&server.network, "ben").await;
        // The whole is refused, then the first of its entities.
        server.network.fail_next("pull", Fault::Status(403));
        server.network.fail_next("pull", Fault::Status(403));
        assert_eq!(ben.sync(HOME).await, COMPLETE);
        assert_eq!((ben.orders().await, forbidden(&ben)), (vec!["1 Pump".to_owned()], vec!["place".to_owned()]));
    }
}

local! {
    async fn a_user_who_may_not_push_still_sees_and_keeps_what_was_written() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        ben.create("2", "Roof").await;
        server.network.fail_next("push", Fault::Status(403));
        assert_eq!(ben.sync(HOME).await, (Settlement::Error, Some("auth/forbidden")));
        assert_eq!((ben.orders().await, ben.driver.status().pending), (vec!["1 Pump".into(), "2 Roof".into()], 1));
        assert_eq!(ben.sync(HOME).await, COMPLETE);
    }
}

local! {
    async fn a_change_that_the_user_may_not_make_is_refused_alone() {
        let server = Server::start().await;
        let nobody = Device::new(&server.network, "nobody").await;
        nobody.create("1", "Pump").await;
        assert_eq!(nobody.sync(HOME).await, COMPLETE);
        assert_eq!((nobody.driver.status().pending, nobody.driver.status().rejected), (0, 1));
        let inbox = nobody.driver.store().inbox().await.unwrap().0;
        assert!(inbox.contains("auth/scope"), "{inbox}");
    }
}

local! {
    /// Invariant 7: a token of somebody else, whether it was mixed up or came late, moves nothing of this store.
    async fn r5_a_store_takes_nothing_of_another_user_and_gives_nothing_away() {
        let server = Server::start().await;
        server.sql("insert into place (id, name, country) values ('a', 'Vigo', 'ES'), ('b', 'Ulm', 'DE')").await;
        // Ana's store has only been pulled into: the server knows nothing of it yet.
        let ana = open(&server, MemoryStorage::new(), vec!["ana", "ben"], Auto::default()).await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        ana.create("1", "Secret").await;
        server.network.fail_next("push", Fault::Status(401));
        assert_eq!(ana.sync(HOME).await, (Settlement::Error, Some("auth/other-user")));
        assert_eq!(ana.sync(FETCH).await, (Settlement::Error, Some("auth/other-user")));
        assert_eq!(ana.all("place").await, json!([{"id": "a", "name": "Vigo", "country": "ES"}]));
        assert_eq!((ana.orders().await, ana.driver.status().pending), (vec!["1 Secret".to_owned()], 1));
        let ben = Device::new(&server.network, "ben").await;
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, Vec::<String>::new());
        // The right one again, and it goes on as if nothing had been.
        let again = open(&server, ana.storage.connect(), vec!["ana"], Auto::default()).await;
        assert_eq!(again.sync(HOME).await, COMPLETE);
        assert_eq!(again.driver.status().pending, 0);
    }
}
