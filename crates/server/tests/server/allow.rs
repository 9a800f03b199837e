//! Authorisation per entity and operation: who is not named may not.

use serde_json::json;

use super::Server;
use super::events::Events;
use crate::support::{CONFIG, Replica};

/// Ana has `team:a`, Ben does not.
async fn server(of_notes: &str) -> Server {
    let all = "allow = { read = [\"*\"], write = [\"*\"] }";
    // The first entity is the note.
    Server::start_with(&CONFIG.replacen(all, &format!("allow = {{ {of_notes} }}"), 1)).await
}

#[tokio::test]
async fn r5_an_operation_is_for_those_who_are_named() {
    let server = server(r#"read = ["*"], write = ["*"], delete = ["team:a"]"#).await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    ben.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    ben.accepted("update", "note", "n", json!({"set": {"title": "u"}})).await;
    let refused = ben.push_one("delete", "note", "n", json!({})).await;
    let message = "You may not do this with records of this kind.";
    assert_eq!(refused, json!({"outcome": "rejected", "code": "auth/operation", "message": message, "fields": {}}));
    ana.accepted("delete", "note", "n", json!({})).await;
    // Many at once meet the same.
    let server = self::server(r#"read = ["*"], create = ["team:a"]"#).await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let changes: Vec<_> = (0..3).map(|n| ben.change("create", "note", &n.to_string(), json!({"set": {"title": "t"}}))).collect();
    assert!(ben.push(&changes).await.iter().all(|outcome| outcome["code"] == "auth/operation"));
    ana.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    assert_eq!(ana.push_one("update", "note", "n", json!({"set": {"title": "u"}})).await["code"], "auth/operation");
}

#[tokio::test]
async fn r5_what_nobody_is_named_for_nobody_may_do() {
    let server = server("").await;
    let mut ana = server.ana();
    assert_eq!(ana.push_one("create", "note", "n", json!({"set": {"title": "t"}})).await["code"], "auth/operation");
    server.sql("INSERT INTO note (id, title) VALUES ('1', 'secret')").await;
    let lines = ana.pull(&["note", "doc"], &json!([])).await;
    assert_eq!(lines[0]["start"]["forbidden"], json!(["note"]));
    assert_eq!(lines[0]["start"]["buckets"], json!([{"bucket": "doc/all", "pending": 0}]));
}

#[tokio::test]
async fn r5_who_may_not_read_learns_nothing() {
    let server = server(r#"read = ["team:a"], write = ["*"]"#).await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let mut of_ben = Events::listen(&ben).await;
    ana.accepted("create", "note", "n", json!({"set": {"title": "secret"}})).await;
    assert_eq!(ben.pull(&["note"], &json!([])).await[0]["start"]["forbidden"], json!(["note"]));
    for op in ["update", "delete"] {
        assert_eq!(ben.push_one(op, "note", "n", json!({"set": {}})).await["code"], "auth/operation");
    }
    // A box to drop things into.
    ben.accepted("create", "note", "mine", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    assert_eq!(replica.rows("note/all").len(), 2);
    ana.accepted("create", "doc", "d", json!({"set": {"title": "t"}})).await;
    assert_eq!(of_ben.next().await.unwrap(), r#"{"buckets":["doc/all"]}"#, "no hint of notes");
}

#[tokio::test]
async fn r5_a_conflict_shows_nothing_to_who_may_not_read() {
    // The second entity with that line and another policy is the doc.
    let doc = "policy = \"detectConflicts\"\nallow = { read = [\"*\"]";
    let server = Server::start_with(&CONFIG.replace(doc, &doc.replace("[\"*\"]", "[\"team:a\"]"))).await;
    server.ana().accepted("create", "doc", "d", json!({"set": {"title": "secret"}})).await;
    let outcome = server.ben().push_one("create", "doc", "d", json!({"set": {"title": "t"}})).await;
    assert_eq!(outcome["code"], "row/exists");
    assert!(!outcome.to_string().contains("secret"), "{outcome}");
}
