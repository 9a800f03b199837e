//! Removals that are forgotten, and databases that were restored from a backup.

use serde_json::json;
use whimbrel_server::{Database as _, Storage as _};

use super::{Here, Server};
use crate::support::{Api, Backend as _, Lines, Replica, code_of};

/// Far behind everything that is written here.
const LATER_MS: i64 = 9_000_000_000_000;

fn kinds(lines: &Lines) -> Vec<&str> {
    lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect()
}

fn resync(lines: &Lines) -> &serde_json::Value {
    lines.iter().find_map(|line| line.get("resync")).unwrap()
}

/// Everything until now is past the horizon.
async fn forget(server: &Server) -> u64 {
    server.storage.begin_era(LATER_MS).await.unwrap();
    server.storage.compact(LATER_MS).await.unwrap().removed
}

#[tokio::test]
async fn who_stands_below_the_horizon_begins_anew_and_nobody_else() {
    let server = Server::start().await;
    let mut ana = server.ana();
    for id in ["1", "2", "3"] {
        ana.accepted("create", "note", id, json!({"set": {"title": id}})).await;
    }
    let (mut old, mut young) = (Replica::default(), Replica::default());
    old.sync(&ana, &["note"]).await;
    ana.accepted("delete", "note", "1", json!({})).await;
    young.sync(&ana, &["note"]).await;
    assert_eq!(forget(&server).await, 1);
    assert_eq!(server.number("SELECT count(*) FROM whimbrel_log WHERE gone").await, 0);

    let lines = young.sync(&ana, &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "cursor", "end"], "it has everything up to the horizon");
    let lines = old.sync(&ana, &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "resync", "rows", "cursor", "end"]);
    assert_eq!(resync(&lines), &json!({"bucket": "note/all"}));
    assert_eq!(old.rows("note/all").into_keys().collect::<Vec<_>>(), ["2", "3"]);

    ana.accepted("delete", "note", "2", json!({})).await;
    let lines = old.sync(&ana, &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "gone", "cursor", "end"], "what is younger than the horizon is still told");
}

#[tokio::test]
async fn a_deleted_record_stays_deleted_when_its_removal_is_forgotten() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let set = json!({"set": {"title": "t"}});
    for entity in ["note", "doc"] {
        ana.accepted("create", entity, "1", set.clone()).await;
        ana.accepted("delete", entity, "1", json!({})).await;
    }
    assert_eq!(forget(&server).await, 2);
    assert_eq!(ana.push_one("create", "note", "1", set.clone()).await["code"], "row/deleted");
    assert_eq!(ana.push_one("update", "note", "1", set.clone()).await["code"], "row/deleted");
    assert_eq!(ana.push_one("create", "doc", "1", set.clone()).await["outcome"], "conflict");
    assert_eq!(ana.push_one("delete", "note", "1", json!({})).await["outcome"], "accepted");
    // The app's own SQL may: then it is a new row, newer than its removal was.
    server.sql("INSERT INTO note (id, title) VALUES ('1', 'again')").await;
    assert_eq!(ana.push_one("update", "note", "1", set).await["outcome"], "accepted");
}

/// Stops a server, puts the backup in place of its database, and starts it again.
async fn restored(server: Server) -> Server {
    let folder = server.stop().await;
    Here::restore(folder.path()).await;
    Server::start_in(folder, crate::support::CONFIG).await
}

async fn backed_up(server: Server) -> Server {
    let folder = server.stop().await;
    Here::back_up(folder.path()).await;
    Server::start_in(folder, crate::support::CONFIG).await
}

#[tokio::test]
async fn a_restored_database_is_noticed_also_when_it_was_given_no_new_history() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    let mut before = Replica::default();
    before.sync(&ana, &["note"]).await;
    let server = backed_up(server).await;
    let mut ana = ana.moved(&server.url);
    for id in ["2", "3"] {
        ana.accepted("create", "note", id, json!({"set": {"title": id}})).await;
    }
    let mut after = Replica::default();
    after.sync(&ana, &["note"]).await;
    let mut ahead = after.clone();

    let server = restored(server).await;
    let api = ana.moved(&server.url);
    let lines = ahead.sync(&api, &["note"]).await;
    assert_eq!(resync(&lines), &json!({"bucket": "note/all", "restored": true}), "the clock is behind the cursor");
    // The clock comes past the cursor, with other changes.
    let mut ben = server.ben();
    for id in ["4", "5", "6"] {
        ben.accepted("create", "note", id, json!({"set": {"title": id}})).await;
    }
    let lines = after.sync(&api, &["note"]).await;
    assert_eq!(resync(&lines), &json!({"bucket": "note/all", "restored": true}), "no era here had that cursor");
    assert_eq!(after.rows("note/all").into_keys().collect::<Vec<_>>(), ["1", "4", "5", "6"]);
    let lines = before.sync(&api, &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "rows", "cursor", "end"], "nothing it knows of is lost");
    // And the client that pushed what is lost is told so.
    let change = ana.change("create", "note", "7", json!({"set": {"title": "7"}}));
    let answer = api.post("/v1/push", &api.request(&[change], 3)).await;
    assert_eq!(code_of(&answer), "push/gap");
}

#[tokio::test]
async fn bases_that_are_lost_are_none() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let set = |title: &str| json!({"title": title});
    let old = ana.accepted("create", "doc", "1", json!({"set": set("a")})).await;
    ana.accepted("create", "doc", "2", json!({"set": set("a")})).await;
    let above = old + 50;
    let outcome = ben.push_one("update", "doc", "1", json!({"set": set("b"), "base": above})).await;
    assert_eq!(outcome["outcome"], "conflict", "above the clock: nobody here gave that version");

    let history = server.ana().pull(&["doc"], &json!([])).await[0]["start"]["history"].clone();
    server.storage.renew_history().await.unwrap();
    let new = ana.accepted("update", "doc", "2", json!({"set": set("c")})).await;
    let change =
        |ben: &mut Api, id: &str, base: u64| ben.change("update", "doc", id, json!({"set": set("d"), "base": base}));
    let changes = [change(&mut ben, "1", old), change(&mut ben, "2", new)];
    let mut request = ben.request(&changes, 0);
    request["history"] = history;
    let (_, answer) = ben.push_raw(&request).await;
    let outcomes: Vec<&str> =
        answer["outcomes"].as_array().unwrap().iter().map(|outcome| outcome["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "conflict"], "what both histories have in common counts");
}

#[tokio::test]
async fn a_client_that_has_ended_takes_nothing_more() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let first = ana.change("create", "note", "1", json!({"set": {"title": "t"}}));
    ana.push(std::slice::from_ref(&first)).await;
    let mut end = ana.request(&[], 0);
    end["end"] = json!(true);
    for _ in 0..2 {
        let (_, answer) = ana.push_raw(&end).await;
        assert_eq!(answer, json!({"protocol": 1, "last_seq": 1, "outcomes": []}), "it may be asked again");
    }
    let late = ana.change("create", "note", "2", json!({"set": {"title": "t"}}));
    for change in [first, late] {
        let answer = ana.post("/v1/push", &ana.request(&[change], 0)).await;
        assert_eq!(code_of(&answer), "push/fork");
    }
    end["changes"] = json!([ana.change("delete", "note", "1", json!({}))]);
    assert_eq!(code_of(&ana.post("/v1/push", &end).await), "request/malformed");
}
