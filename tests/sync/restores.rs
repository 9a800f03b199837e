//! Buckets that come as a whole again: the horizon has passed a device, or the server was restored from a backup.

use serde_json::{Value, json};
use whimbrel::driver::News;
use whimbrel::error::Code;
use whimbrel::store::Ending;
use whimbrel::sync::Settlement;

use crate::device::{Device, FETCH, HOME};
use crate::platform::Fault;
use crate::rules::local;
use crate::server::Server;

const COMPLETE: (Settlement, Option<&str>) = (Settlement::Complete, None);

async fn two() -> (Server, Device, Device) {
    let server = Server::start().await;
    let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
    (server, ana, ben)
}

/// The next push arrives, and nothing comes back; nor does anything later, until the network is healed.
fn lose_answers(server: &Server) {
    server.network.fail_next("push", Fault::AnswerLost);
    (0..200).for_each(|_| server.network.fail_next("push", Fault::Unreachable));
}

/// What was reported under a code.
fn reported(device: &Device, code: Code) -> Vec<String> {
    let told = device.told.borrow();
    let found = told.iter().filter_map(|news| match news {
        News::Report(report) if report.error.code() == code => Some(report.error.detail().to_owned()),
        _ => None,
    });
    found.collect()
}

async fn inbox(device: &Device) -> Vec<Value> {
    serde_json::from_str(&device.driver.store().inbox().await.unwrap().0).unwrap()
}

local! {
    async fn a_row_with_unsent_changes_that_the_server_has_no_longer_becomes_a_conflict() {
        let (server, ana, ben) = two().await;
        for id in ["1", "2", "3", "4"] {
            ana.create(id, "Pump").await;
        }
        ana.sync(HOME).await;
        ben.sync(HOME).await;
        ben.delete("1").await;
        ben.delete("2").await;
        ben.delete("4").await;
        ben.sync(HOME).await;
        server.forget_removals().await;
        let change = ana.update("1", json!({"title": "Pump 1, repaired"})).await;
        ana.delete("4").await;
        ana.create("5", "new").await;
        // It pulls without pushing, so what it has written meets the new rows.
        assert_eq!(ana.sync(FETCH).await, COMPLETE);
        assert_eq!(ana.orders().await, ["1 Pump 1, repaired", "3 Pump", "5 new"], "what was written is shown, and no row of the dead");
        assert_eq!(ana.driver.status().conflicts, 1);
        let told = ana.driver.store().confirmation(&change.change).await.unwrap().unwrap();
        assert_eq!(told.outcome, Ending::Conflict);
        assert!(ana.confirmed().contains(&told), "and the app hears of it");
        // Nothing of it is sent before somebody decides; the rest is.
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts, ana.driver.status().rejected), (0, 1, 0));
        assert_eq!(ana.orders().await, ["1 Pump 1, repaired", "3 Pump", "5 new"]);
    }
}

local! {
    async fn r06_a_full_reload_where_a_delta_was_possible_is_reported() {
        let (server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        ana.sync(HOME).await;
        assert_eq!(reported(&ana, Code::Reloaded), Vec::<String>::new(), "a first load is none");
        ben.sync(HOME).await;
        ben.delete("1").await;
        ben.create("2", "Roof").await;
        ben.sync(HOME).await;
        server.forget_removals().await;
        ana.sync(HOME).await;
        assert_eq!(reported(&ana, Code::Reloaded).len(), 1);
        assert_eq!(reported(&ana, Code::ServerRestored), Vec::<String>::new());
        ana.sync(HOME).await;
        assert_eq!(reported(&ana, Code::Reloaded).len(), 1, "once");
        assert_eq!(ana.orders().await, ["2 Roof"]);
    }
}

/// A server that was restored: ana has work in it that was accepted and is lost, and work that waits.
async fn after_a_restore(has_new_history: bool) {
    let (server, ana, ben) = two().await;
    ana.create("1", "Pump").await;
    ana.create("2", "Roof").await;
    ana.sync(HOME).await;
    ben.sync(HOME).await;
    let backup = server.backup().await;
    ana.update("2", json!({"title": "Roof, new"})).await;
    let lost = ana.create("3", "Door").await;
    ana.sync(HOME).await;
    ben.sync(HOME).await;
    ben.update("1", json!({"count": 7})).await;
    ben.sync(HOME).await;
    ana.sync(HOME).await;
    ana.create("4", "Gate").await;
    server.restore(backup, has_new_history).await;

    assert_eq!(ana.sync(HOME).await, COMPLETE);
    let refused = reported(&ana, Code::PushRefused);
    assert!(refused[0].contains("1 changes are sent again, 0 may have arrived"), "{refused:?}");
    assert_eq!(ana.orders().await, ["1 Pump", "2 Roof", "4 Gate"], "the server is right");
    assert_eq!(ana.all("workOrder").await[0]["count"], Value::Null);
    let restored = reported(&ana, Code::ServerRestored);
    assert!(restored[0].contains("2 accepted changes of this device are lost"), "{restored:?}");
    let kept = inbox(&ana).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((&kept[0]["code"], &kept[0]["entry"]["op"]), (&json!("server/lost"), &json!("create")));
    assert_eq!(kept[0]["entry"]["set"], json!({"title": "Door", "status": "open"}));
    assert_eq!(kept[0]["entry"]["change"], lost.change);
    assert_eq!((ana.driver.status().pending, ana.driver.status().rejected), (0, 1));

    assert_eq!(ben.sync(HOME).await, COMPLETE);
    assert_eq!(ben.all("workOrder").await, ana.all("workOrder").await);
    assert_eq!(inbox(&ben).await, Vec::<Value>::new(), "what others have lost is theirs");
    assert_eq!(reported(&ben, Code::ServerRestored).len(), 1);
    // And that was it.
    ana.update("1", json!({"title": "Pump 9"})).await;
    ana.sync(HOME).await;
    ben.sync(HOME).await;
    assert_eq!(ben.orders().await, ["1 Pump 9", "2 Roof", "4 Gate"]);
    assert_eq!((reported(&ana, Code::ServerRestored).len(), reported(&ana, Code::PushRefused).len()), (1, 1));
}

local! {
    async fn a_restored_server_costs_what_it_has_lost_and_says_so() {
        after_a_restore(true).await;
    }
}

local! {
    async fn a_restored_server_is_noticed_without_a_new_history_too() {
        after_a_restore(false).await;
    }
}

/// A device pushes and pulls nothing before the server goes back to a backup that it has a cursor of: nothing that it was given is lost, only what
/// it has sent.
async fn pushed_only(has_new_history: bool, pushes_again: bool) {
    let (server, ana, ben) = two().await;
    ana.create("1", "Pump").await;
    ana.sync(HOME).await;
    ana.sync(HOME).await;
    let backup = server.backup().await;
    ana.update("1", json!({"title": "Pump, new"})).await;
    ana.create("2", "Roof").await;
    // Until the server is back, or a retry would pull.
    (0..1_000).for_each(|_| server.network.fail_next("pull", Fault::Unreachable));
    assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
    assert_eq!(ana.driver.status().pending, 0);
    server.restore(backup, has_new_history).await;
    server.network.heal();
    // The clock comes to where it was.
    for count in 0..9 {
        ben.create(&format!("b{count}"), "Ben").await;
        ben.sync(HOME).await;
    }
    if pushes_again {
        ana.create("3", "Door").await;
    }
    ana.sync(HOME).await;
    assert_eq!(ana.sync(HOME).await, COMPLETE);
    assert_eq!(ben.sync(HOME).await, COMPLETE);
    assert_eq!(ana.orders().await, ben.orders().await, "the server is right");
    assert!(ana.orders().await.contains(&"1 Pump".to_owned()));
    let kept = inbox(&ana).await;
    assert_eq!((kept.len(), &kept[0]["code"], &kept[0]["entry"]["id"]), (1, &json!("server/lost"), &json!("2")));
    let told = reported(&ana, Code::ServerRestored);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("2 accepted changes of this device are lost"), "{told:?}");
    let stands = ana.driver.store().stands(&["workOrder".to_owned()]).await.unwrap();
    assert_eq!(stands, [], "a whole pull has followed");
}

local! {
    async fn what_was_only_pushed_before_a_restore_is_missed_at_the_next_pull() {
        for (has_new_history, pushes_again) in [(true, false), (false, false), (true, true), (false, true)] {
            pushed_only(has_new_history, pushes_again).await;
        }
    }
}

local! {
    async fn what_was_sent_and_not_answered_before_a_restore_is_sent_again() {
        let (server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        let backup = server.backup().await;
        ana.create("2", "Roof").await;
        ana.sync(HOME).await;
        lose_answers(&server);
        let change = ana.update("1", json!({"title": "Pump 2"})).await;
        ana.create("3", "Door").await;
        assert_eq!(ana.sync(HOME).await.0, Settlement::Error);
        server.restore(backup, true).await;
        server.network.heal();
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ["1 Pump 2", "3 Door"]);
        assert_eq!(ana.driver.store().confirmation(&change.change).await.unwrap().unwrap().outcome, Ending::Accepted);
        let kept = inbox(&ana).await;
        assert_eq!((kept.len(), &kept[0]["entry"]["id"]), (1, &json!("2")), "{kept:?}");
    }
}

local! {
    async fn two_stores_with_one_client_id_part_and_nothing_is_lost() {
        let (server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        // Another store of the same id has sent two changes and knows their outcomes.
        server.sql("update whimbrel_client set last_seq = 3, ack = 3").await;
        let before = ana.driver.store().client_id().await.unwrap();
        ana.create("2", "Roof").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        assert_ne!(ana.driver.store().client_id().await.unwrap(), before);
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ["1 Pump", "2 Roof"], "it was in no request before the one that was refused");
        assert_eq!(inbox(&ana).await, Vec::<Value>::new());
    }
}

local! {
    async fn what_may_have_arrived_under_a_forked_id_is_the_users() {
        let (server, ana, ben) = two().await;
        ana.create("1", "Pump").await;
        ana.sync(HOME).await;
        lose_answers(&server);
        let doubtful = ana.create("2", "Roof").await;
        ana.sync(HOME).await;
        // Another store of the same id was told of it.
        server.sql("update whimbrel_client set ack = 2; delete from whimbrel_outcome").await;
        server.network.heal();
        ana.create("3", "Door").await;
        assert_eq!(ana.sync(HOME).await, COMPLETE);
        let kept = inbox(&ana).await;
        assert_eq!((kept.len(), &kept[0]["code"], &kept[0]["entry"]["id"]), (1, &json!("push/in-doubt"), &json!("2")));
        let told = ana.driver.store().confirmation(&doubtful.change).await.unwrap().unwrap();
        assert_eq!(told.outcome, Ending::Rejected);
        ben.sync(HOME).await;
        assert_eq!(ben.orders().await, ["1 Pump", "2 Roof", "3 Door"]);
        assert_eq!(ana.orders().await, ben.orders().await);
    }
}

local! {
    async fn a_bucket_that_is_taken_away_and_given_again_in_one_breath_has_its_rows() {
        let (server, ana, _ben) = two().await;
        server.sql("insert into place (id, name, country) values ('a', 'Vigo', 'ES')").await;
        ana.sync(HOME).await;
        let start = |buckets: Vec<whimbrel_protocol::BucketInfo>| whimbrel_protocol::Start {
            protocol: 1,
            history: "h".to_owned(), user: None, forbidden: Vec::new(),
            buckets,
        };
        // The run ends before the rows of what is gone have left.
        ana.driver.store().grant(&["place".to_owned()], &start(Vec::new())).await.unwrap();
        for _ in 0..2 {
            ana.sync(HOME).await;
            assert_eq!(ana.all("place").await, json!([{"id": "a", "name": "Vigo", "country": "ES"}]));
        }
        server.sql("delete from place").await;
        ana.sync(HOME).await;
        assert_eq!(ana.all("place").await, json!([]));
    }
}
