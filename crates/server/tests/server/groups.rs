//! Groups: together or not at all.

use serde_json::json;

use super::Server;
use crate::support::Replica;

#[tokio::test]
async fn a_group_is_applied_together_or_not_at_all() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let changes = [
        ana.change("create", "note", "alone", json!({"set": {"title": "t"}})),
        ana.change("create", "note", "g1", json!({"set": {"title": "t"}, "group": "g"})),
        ana.change("create", "note", "g2", json!({"set": {"title": "far too long"}, "group": "g"})),
        ana.change("create", "note", "g3", json!({"set": {"title": "t"}, "group": "g"})),
        ana.change("create", "note", "h1", json!({"set": {"title": "t"}, "group": "h"})),
        ana.change("update", "note", "h1", json!({"set": {"title": "u"}, "group": "h"})),
        ana.change("update", "note", "g1", json!({"set": {"title": "u"}})),
    ];
    let outcomes = ana.push(&changes).await;
    let said: Vec<&str> = outcomes
        .iter()
        .map(|outcome| outcome["code"].as_str().unwrap_or_else(|| outcome["outcome"].as_str().unwrap()))
        .collect();
    let expected =
        ["accepted", "group/failed", "value/too-long", "group/failed", "accepted", "accepted", "row/not-found"];
    assert_eq!(said, expected);
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    assert_eq!(replica.rows("note/all").into_keys().collect::<Vec<_>>(), ["alone", "h1"]);
    // The first outcomes are those of the group, also when it is asked again.
    let again = ana.push(&changes).await;
    assert_eq!(again[1], outcomes[1]);
    assert_eq!(again[2], outcomes[2]);
}

#[tokio::test]
async fn a_conflict_stops_its_group_and_keeps_its_row() {
    let server = Server::start().await;
    let mut ana = server.ana();
    server.ben().accepted("create", "doc", "d", json!({"set": {"title": "t"}})).await;
    let changes = [
        ana.change("create", "doc", "new", json!({"set": {"title": "t"}, "group": "g"})),
        ana.change("update", "doc", "d", json!({"set": {"title": "u"}, "group": "g"})),
    ];
    let outcomes = ana.push(&changes).await;
    assert_eq!(outcomes[0]["code"], "group/failed");
    assert_eq!((&outcomes[1]["outcome"], &outcomes[1]["row"]["fields"]["title"]), (&json!("conflict"), &json!("t")));
}

#[tokio::test]
async fn a_version_that_was_undone_with_its_group_counts_for_nothing() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let base = server.ben().accepted("create", "doc", "d", json!({"set": {"title": "t"}})).await;
    let changes = [
        ana.change("update", "doc", "d", json!({"set": {"title": "u"}, "base": base, "group": "g"})),
        ana.change("create", "doc", "bad", json!({"set": {}, "group": "g"})),
        ana.change("update", "doc", "d", json!({"set": {"title": "v"}, "base": base - 1})),
    ];
    let outcomes = ana.push(&changes).await;
    assert_eq!((&outcomes[2]["outcome"], &outcomes[2]["row"]["fields"]["title"]), (&json!("conflict"), &json!("t")));
}
