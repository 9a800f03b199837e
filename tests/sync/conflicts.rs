//! Conflicts: what meets, what is kept, what becomes of it when somebody decides. R16, R17.

use serde_json::{Value, json};
use whimbrel::store::Ending;
use whimbrel::sync::Event;

use crate::device::{Device, OFFICE, READ};
use crate::rules::local;
use crate::server::Server;

/// Two devices that have the same doc, of which Ben has changed title and body since; Ana does not know and has changed title and pages.
async fn met() -> (Server, Device, Device) {
    let server = Server::start().await;
    let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
    ana.put("create", "doc", "d", json!({"title": "Plan", "body": "b", "pages": 1})).await;
    ana.sync(OFFICE).await;
    ben.sync(OFFICE).await;
    ben.put("update", "doc", "d", json!({"title": "From Ben", "body": "by Ben"})).await;
    ben.sync(OFFICE).await;
    ana.put("update", "doc", "d", json!({"title": "From Ana", "pages": 2})).await;
    ana.sync(OFFICE).await;
    (server, ana, ben)
}

async fn doc(device: &Device) -> Value {
    device.all("doc").await[0].clone()
}

fn row(title: &str, body: &str, pages: u32) -> Value {
    json!({"id": "d", "title": title, "body": body, "pages": pages})
}

local! {
    /// R17: base, local and server versions are kept until somebody decides, and unrelated changes flow.
    async fn r17_all_three_versions_are_kept_and_unrelated_changes_flow() {
        let (_server, ana, ben) = met().await;
        let conflicts = ana.conflicts().await;
        assert_eq!(conflicts.as_array().unwrap().len(), 1);
        let conflict = &conflicts[0];
        assert_eq!(conflict["base"], json!({"title": "Plan", "pages": 1}));
        assert_eq!(conflict["local"], json!({"title": "From Ana", "pages": 2}));
        assert_eq!(conflict["server"]["fields"], json!({"title": "From Ben", "body": "by Ben", "pages": 1}));
        assert_eq!(conflict["contested"], json!(["title"]));
        let status = ana.driver.status();
        assert_eq!((status.conflicts, status.pending), (1, 0));
        assert_eq!(doc(&ana).await, row("From Ana", "by Ben", 2), "what was written here is shown over the server's row");
        // Others go on, and what the server says meanwhile is kept up to date.
        ana.put("create", "doc", "e", json!({"title": "Other"})).await;
        ben.put("update", "doc", "d", json!({"body": "by Ben again"})).await;
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.conflicts().await[0]["server"]["fields"]["body"], "by Ben again");
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("doc").await.as_array().unwrap().len(), 2);
    }
}

local! {
    async fn r17_a_conflict_is_decided_by_field() {
        let (_server, ana, ben) = met().await;
        let undecided = ana.resolve(json!({})).await.unwrap_err();
        assert_eq!(undecided.code().as_str(), "conflict/undecided");
        ana.resolve(json!({"fields": {"title": {"value": "From both"}}})).await.unwrap();
        assert_eq!(doc(&ana).await, row("From both", "by Ben", 2));
        let status = ana.driver.status();
        assert_eq!((status.conflicts, status.pending), (0, 1));
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!(doc(&ben).await, row("From both", "by Ben", 2));
        assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts), (0, 0));
    }
}

local! {
    async fn r17_a_conflict_is_decided_for_one_side() {
        let (_server, ana, ben) = met().await;
        let change = ana.conflicts().await[0]["change"].as_str().unwrap().to_owned();
        ana.resolve(json!({"all": "server"})).await.unwrap();
        assert_eq!(doc(&ana).await, row("From Ben", "by Ben", 1));
        assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts), (0, 0));
        let ending = ana.driver.store().confirmation(&change).await.unwrap().unwrap();
        assert_eq!(ending.outcome, Ending::Discarded);
        // And the other way round.
        let (_server, ana, ben_of_other) = met().await;
        let change = ana.conflicts().await[0]["change"].as_str().unwrap().to_owned();
        ana.resolve(json!({"all": "local"})).await.unwrap();
        ana.sync(OFFICE).await;
        ben_of_other.sync(OFFICE).await;
        assert_eq!(doc(&ben_of_other).await, row("From Ana", "by Ben", 2));
        let ending = ana.driver.store().confirmation(&change).await.unwrap().unwrap();
        assert_eq!(ending.outcome, Ending::Accepted);
        drop(ben);
    }
}

local! {
    async fn what_was_written_on_top_of_a_conflict_goes_after_its_resolution() {
        let (_server, ana, ben) = met().await;
        ana.put("update", "doc", "d", json!({"body": "on top"})).await;
        ana.sync(OFFICE).await;
        assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts), (1, 1));
        ana.resolve(json!({"fields": {"title": "server"}})).await.unwrap();
        ana.sync(OFFICE).await;
        assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts), (0, 0));
        ben.sync(OFFICE).await;
        assert_eq!(doc(&ben).await, row("From Ben", "on top", 2));
        assert_eq!(doc(&ana).await, doc(&ben).await);
    }
}

local! {
    async fn a_conflict_with_a_deletion() {
        let (_server, ana, ben) = met().await;
        ben.put("delete", "doc", "d", json!({})).await;
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.conflicts().await[0]["server"], Value::Null);
        assert_eq!(doc(&ana).await["title"], "From Ana", "what was written is still shown");
        let error = ana.resolve(json!({"all": "local"})).await.unwrap_err();
        assert_eq!(error.code().as_str(), "conflict/deleted");
        ana.resolve(json!({"all": "server"})).await.unwrap();
        assert_eq!(ana.all("doc").await, json!([]));
        assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts), (0, 0));
    }
}

local! {
    async fn a_deletion_of_what_others_have_changed() {
        for (side, left) in [("local", 0), ("server", 1)] {
            let server = Server::start().await;
            let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
            ana.put("create", "doc", "d", json!({"title": "Plan"})).await;
            ana.sync(OFFICE).await;
            ben.sync(OFFICE).await;
            ben.put("update", "doc", "d", json!({"title": "From Ben"})).await;
            ben.sync(OFFICE).await;
            ana.put("delete", "doc", "d", json!({})).await;
            ana.sync(OFFICE).await;
            assert_eq!(ana.conflicts().await[0]["op"], "delete");
            ana.resolve(json!({"all": side})).await.unwrap();
            ana.sync(OFFICE).await;
            ben.sync(OFFICE).await;
            assert_eq!(ana.all("doc").await.as_array().unwrap().len(), left, "{side}");
            assert_eq!(ben.all("doc").await, ana.all("doc").await, "{side}");
        }
    }
}

local! {
    async fn two_that_made_the_same_record() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        ana.put("create", "doc", "d", json!({"title": "Ana's", "pages": 1})).await;
        ben.put("create", "doc", "d", json!({"title": "Ben's", "pages": 1})).await;
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.conflicts().await[0]["contested"], json!(["title"]));
        ana.resolve(json!({"fields": {"title": "local"}})).await.unwrap();
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("doc").await, json!([{"id": "d", "title": "Ana's", "body": null, "pages": 1}]));
    }
}

local! {
    async fn r17_a_resolution_can_be_undone_before_it_is_sent_and_after() {
        let (_server, ana, ben) = met().await;
        let before = ana.conflicts().await;
        for decision in [json!({"all": "local"}), json!({"all": "server"}), json!({"fields": {"title": "server"}})] {
            let position = ana.resolve(decision.clone()).await.unwrap();
            assert!(ana.driver.undo(position).await.unwrap(), "{decision}");
            assert_eq!(ana.conflicts().await, before, "{decision}");
            assert_eq!(doc(&ana).await, row("From Ana", "by Ben", 2), "{decision}");
            assert_eq!((ana.driver.status().pending, ana.driver.status().conflicts), (0, 1), "{decision}");
        }
        let position = ana.resolve(json!({"all": "local"})).await.unwrap();
        ana.sync(OFFICE).await;
        assert!(!ana.driver.undo(position).await.unwrap(), "the server has it: the values are written back");
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!(doc(&ben).await, row("From Ben", "by Ben", 1));
        let twice = ana.driver.undo(position).await.unwrap_err();
        assert_eq!(twice.code().as_str(), "conflict/not-found");
    }
}

local! {
    async fn a_conflict_that_is_opened_again_stands_before_what_was_sent_meanwhile() {
        let (_server, ana, ben) = met().await;
        let position = ana.resolve(json!({"all": "server"})).await.unwrap();
        for id in ["later", "last"] {
            ana.put("create", "doc", id, json!({"title": id, "pages": 1})).await;
            ana.sync(OFFICE).await;
        }
        assert!(ana.driver.undo(position).await.unwrap());
        ana.resolve(json!({"all": "local"})).await.unwrap();
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!((doc(&ben).await, ana.driver.status().pending), (doc(&ana).await, 0));
        assert_eq!(doc(&ben).await["title"], "From Ana");
    }
}

local! {
    async fn a_resolution_survives_a_reload_and_so_does_its_undo() {
        let (server, ana, _ben) = met().await;
        let position = ana.resolve(json!({"all": "server"})).await.unwrap();
        let again = Device::open(ana.storage.connect(), &server.network, &Default::default(), "ana").await;
        assert_eq!(again.driver.status().conflicts, 0);
        assert!(again.driver.undo(position).await.unwrap());
        assert_eq!((again.conflicts().await.as_array().unwrap().len(), again.driver.status().conflicts), (1, 1));
        assert_eq!(doc(&again).await, row("From Ana", "by Ben", 2));
    }
}

local! {
    async fn all_conflicts_of_an_entity_are_decided_by_one_rule() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        for id in ["1", "2", "3"] {
            ana.put("create", "doc", id, json!({"title": "t"})).await;
        }
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        for id in ["1", "2", "3"] {
            ben.put("update", "doc", id, json!({"title": format!("ben {id}")})).await;
            ana.put("update", "doc", id, json!({"title": format!("ana {id}")})).await;
        }
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.driver.status().conflicts, 3);
        assert_eq!(ana.driver.resolve_all("doc", r#"{"all":"local"}"#).await.unwrap(), 3);
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!((ana.driver.status().conflicts, ana.driver.status().pending), (0, 0));
        let titles: Vec<String> = ben.all("doc").await.as_array().unwrap().iter().map(|doc| doc["title"].to_string()).collect();
        assert_eq!(titles, ["\"ana 1\"", "\"ana 2\"", "\"ana 3\""]);
    }
}

local! {
    /// R16, `merge`: fields that do not meet are all written; those that do, by their rule; without one, a conflict.
    async fn r16_merge_settles_field_by_field() {
        let server = Server::start().await;
        let (ana, ben) = (Device::new(&server.network, "ana").await, Device::new(&server.network, "ben").await);
        ana.put("create", "stock", "s", json!({"title": "Screws", "owner": "o", "count": 10, "tags": "a\nb"})).await;
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        ben.put("update", "stock", "s", json!({"owner": "ben", "count": 7, "tags": "a\nb\nc"})).await;
        ana.put("update", "stock", "s", json!({"title": "Bolts", "owner": "ana", "count": 15, "tags": "b"})).await;
        ben.sync(OFFICE).await;
        let merged = json!([{"id": "s", "title": "Bolts", "owner": "ben", "count": 12, "tags": "b\nc"}]);
        // Pulled and not pushed: the device shows what the server will make of it.
        ana.sync(READ).await;
        assert_eq!(ana.all("stock").await, merged);
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!((ana.all("stock").await, ben.all("stock").await), (merged.clone(), merged));
        // Twice the same sum after a lost answer is one sum.
        ana.put("update", "stock", "s", json!({"count": 13})).await;
        server.network.fail_next("push", crate::platform::Fault::AnswerLost);
        ana.sync(OFFICE).await;
        ana.sync(READ).await;
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!((&ana.all("stock").await[0]["count"], &ben.all("stock").await[0]["count"]), (&json!(13), &json!(13)));
        // No rule.
        ben.put("update", "stock", "s", json!({"title": "Ben's"})).await;
        ana.put("update", "stock", "s", json!({"title": "Ana's"})).await;
        ben.sync(OFFICE).await;
        ana.sync(OFFICE).await;
        assert_eq!(ana.driver.status().conflicts, 1);
        ana.resolve(json!({"all": "local"})).await.unwrap();
        ana.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!(ben.all("stock").await[0]["title"], "Ana's");
    }
}

local! {
    /// R16, `lockedOffline`: a write that nobody could settle is refused while it is known that there is no network.
    async fn r16_what_is_locked_offline_is_not_written_offline() {
        let server = Server::start().await;
        let ana = Device::new(&server.network, "ana").await;
        ana.put("create", "stock", "s", json!({"title": "Screws"})).await;
        ana.driver.feed(Event::HintedOffline);
        let writes = json!([
            {"op": "create", "entity": "doc", "id": "d", "fields": {"title": "x"}},
            {"op": "update", "entity": "stock", "id": "s", "fields": {"title": "y"}},
        ]);
        let error = ana.write(writes).await.unwrap_err();
        assert_eq!((error.code().as_str(), error.is_retryable()), ("policy/locked-offline", true));
        assert_eq!(ana.all("doc").await, json!([]), "nothing of it is written");
        ana.put("create", "doc", "d", json!({"title": "x"})).await;
        ana.driver.feed(Event::HintedOnline);
        ana.put("update", "stock", "s", json!({"title": "y"})).await;
    }
}

local! {
    /// A change is accepted on a row of which the device has an older state, another one waits and is refused: the row is the server's.
    async fn a_row_that_was_accepted_and_then_pulled_is_as_the_server_has_it() {
        let (_server, ana, ben) = met().await;
        ana.resolve(json!({"all": "server"})).await.unwrap();
        ana.sync(OFFICE).await;
        ben.put("update", "doc", "d", json!({"pages": 9})).await;
        ben.sync(OFFICE).await;
        ana.put("update", "doc", "d", json!({"body": "x"})).await;
        ana.sync(OFFICE).await;
        ana.resolve(json!({"all": "local"})).await.unwrap();
        ana.sync(OFFICE).await;
        ana.put("update", "doc", "d", json!({"title": "a title that is longer than twenty"})).await;
        ana.sync(OFFICE).await;
        assert_eq!(doc(&ana).await, row("From Ben", "x", 9));
    }
}

local! {
    async fn r17_a_conflict_that_comes_back_after_a_wipe_still_has_all_three_versions() {
        let (server, ana, ben) = met().await;
        let before = ana.conflicts().await;
        ana.driver.close().await;
        ana.storage.wipe();
        let again = Device::open(ana.storage.connect(), &server.network, &Default::default(), "ana").await;
        let after = again.conflicts().await;
        for part in ["base", "local", "server", "contested"] {
            assert_eq!(after[0][part], before[0][part], "{part}");
        }
        again.resolve(json!({"all": "local"})).await.unwrap();
        again.sync(OFFICE).await;
        ben.sync(OFFICE).await;
        assert_eq!(doc(&ben).await, row("From Ana", "by Ben", 2));
        assert_eq!(doc(&again).await, doc(&ben).await);
    }
}
