//! What becomes of a change, by policy and by what is wrong with it.

use serde_json::{Value, json};

use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Replica};

fn rejected(outcome: &Value) -> &str {
    assert_eq!(outcome["outcome"], "rejected", "{outcome}");
    assert!(outcome["message"].as_str().unwrap().ends_with('.'), "{outcome}");
    outcome["code"].as_str().unwrap()
}

#[tokio::test]
async fn last_write_wins_by_field_and_leaves_other_fields_alone() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = ana.accepted("create", "note", "n", json!({"set": {"title": "one", "count": 1, "done": false}})).await;
    ben.accepted("update", "note", "n", json!({"set": {"count": 2}, "base": made})).await;
    // Ana does not know of Ben's change; hers is on another field.
    ana.accepted("update", "note", "n", json!({"set": {"title": "two", "done": null}, "base": made})).await;
    let mut replica = Replica::default();
    replica.sync(&ben, &["note"]).await;
    let expected =
        json!({"title": "two", "count": 2, "ratio": null, "done": null, "dueAt": null, "noteId": null, "body": null});
    assert_eq!(replica.rows("note/all")["n"], expected);
}

#[tokio::test]
async fn a_change_of_nothing_keeps_the_version() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let made = ana.accepted("create", "note", "n", json!({"set": {"title": "one"}})).await;
    assert_eq!(ana.accepted("update", "note", "n", json!({"set": {}})).await, made);
    assert_eq!(ana.accepted("update", "note", "n", json!({"set": {"title": "one"}})).await, made);
    assert_eq!(ana.accepted("update", "note", "n", json!({"set": {"title": "two"}})).await, made + 1);
}

#[tokio::test]
async fn every_type_travels_there_and_back() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let fields = json!({
        "title": Here::ODD_TITLE, "count": -9_007_199_254_740_991_i64, "ratio": 0.1, "done": true,
        "dueAt": 1_700_000_000_123_i64, "noteId": "other", "body": "x".repeat(100_000),
    });
    ana.accepted("create", "note", "n", json!({"set": fields})).await;
    ana.accepted("create", "note", "whole", json!({"set": {"title": "", "ratio": 3}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    let rows = replica.rows("note/all");
    assert_eq!(rows["n"], fields);
    assert_eq!(rows["whole"]["ratio"], json!(3.0));
    assert_eq!(rows["whole"]["title"], "");
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_said_by_field_and_stops_nothing_else() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let set = |fields: Value| json!({ "set": fields });
    let cases = [
        ("create", "nothing", "x", set(json!({})), "schema/unknown-entity", vec![]),
        ("create", "place", "x", set(json!({"name": "p"})), "policy/read-only", vec![]),
        ("delete", "place", "x", json!({}), "policy/read-only", vec![]),
        ("create", "note", "", set(json!({"title": "t"})), "value/id", vec![]),
        ("create", "note", &"i".repeat(129), set(json!({"title": "t"})), "value/id", vec![]),
        ("create", "note", "x", set(json!({"title": "t", "colour": 1})), "schema/unknown-field", vec!["colour"]),
        ("create", "note", "x", set(json!({"title": "t", "__proto__": {}})), "schema/unknown-field", vec!["__proto__"]),
        ("create", "note", "x", set(json!({"title": "t", "id": "y"})), "schema/unknown-field", vec!["id"]),
        ("create", "note", "x", set(json!({"title": 1, "count": "1"})), "value/type", vec!["count", "title"]),
        (
            "create",
            "note",
            "x",
            set(json!({"title": "t", "count": 9_007_199_254_740_992_i64})),
            "value/type",
            vec!["count"],
        ),
        ("create", "note", "x", set(json!({"title": "t", "noteId": ""})), "value/type", vec!["noteId"]),
        ("create", "note", "x", set(json!({"title": "t", "body": [[[1]]]})), "value/type", vec!["body"]),
        ("create", "note", "x", set(json!({"title": "eleven char"})), "value/too-long", vec!["title"]),
        ("create", "note", "x", set(json!({"count": 1})), "value/required", vec!["title"]),
        ("create", "note", "x", set(json!({"title": null})), "value/required", vec!["title"]),
        ("update", "note", "there", set(json!({"title": null})), "value/required", vec!["title"]),
        ("update", "note", "x", set(json!({"count": 1})), "row/not-found", vec![]),
        ("delete", "note", "x", json!({}), "row/not-found", vec![]),
    ];
    ana.accepted("create", "note", "there", json!({"set": {"title": "t"}})).await;
    let mut changes: Vec<Value> =
        cases.iter().map(|(op, entity, id, what, ..)| ana.change(op, entity, id, what.clone())).collect();
    changes.push(ana.change("create", "note", "after", json!({"set": {"title": "ok"}})));
    let outcomes = ana.push(&changes).await;
    for ((op, entity, _, what, code, fields), outcome) in cases.iter().zip(&outcomes) {
        assert_eq!(rejected(outcome), *code, "{op} {entity} {what}");
        let named: Vec<&str> = outcome["fields"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(&named, fields, "{outcome}");
    }
    assert_eq!(outcomes.last().unwrap()["outcome"], "accepted");
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    assert_eq!(replica.rows("note/all").into_keys().collect::<Vec<_>>(), ["after", "there"]);
}

#[tokio::test]
async fn a_row_has_a_limit_however_it_grew() {
    let server = Server::start_with(&crate::support::CONFIG.replace(
        r#"{ name = "body", type = "text" }]"#,
        r#"{ name = "body", type = "text" }, { name = "more", type = "text" }]"#,
    ))
    .await;
    let mut ana = server.ana();
    let half = "x".repeat(140_000);
    let base = ana.accepted("create", "doc", "d", json!({"set": {"title": "t", "body": half}})).await;
    let outcome = ana.push_one("update", "doc", "d", json!({"set": {"more": half}, "base": base})).await;
    assert_eq!(rejected(&outcome), "value/too-large");
}

#[tokio::test]
async fn r16_detect_conflicts_shows_the_row_that_is_newer() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = ana.accepted("create", "doc", "d", json!({"set": {"title": "a"}})).await;
    let newer = ben.accepted("update", "doc", "d", json!({"set": {"title": "b"}, "base": made})).await;
    assert!(newer > made);
    let conflict = json!({"outcome": "conflict", "row": {"version": newer, "fields": {"title": "b", "body": null}}});
    for (op, what) in [
        ("update", json!({"set": {"title": "c"}, "base": made - 1})),
        ("update", json!({"set": {"title": "c"}})),
        ("delete", json!({"base": made - 1})),
        ("create", json!({"set": {"title": "c"}})),
    ] {
        // A client of its own each time: Ana's own knows that it made the row.
        let outcome = server.ana().push_one(op, "doc", "d", what).await;
        assert_eq!(outcome, conflict, "{op}");
    }
    ben.accepted("delete", "doc", "d", json!({"base": newer})).await;
    let outcome = server.ana().push_one("update", "doc", "d", json!({"set": {"title": "c"}, "base": newer})).await;
    assert_eq!(outcome, json!({"outcome": "conflict"}));
}

#[tokio::test]
async fn a_client_is_not_in_conflict_with_itself() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let base = ben.accepted("create", "doc", "d", json!({"set": {"title": "0"}})).await;
    // The first answer is lost, so the later changes are made on the base before it; two of them travel together.
    ana.accepted("update", "doc", "d", json!({"set": {"title": "1"}, "base": base})).await;
    let second = ana.change("update", "doc", "d", json!({"set": {"title": "2"}, "base": base}));
    let third = ana.change("update", "doc", "d", json!({"set": {"title": "3"}, "base": base, "group": "g"}));
    let fourth = ana.change("update", "doc", "d", json!({"set": {"body": "4"}, "base": base, "group": "g"}));
    for outcome in ana.push(&[second, third, fourth]).await {
        assert_eq!(outcome["outcome"], "accepted", "{outcome}");
    }
    // But when somebody else came in between, it is a conflict.
    let version = server.ben().accepted("update", "doc", "d", json!({"set": {"title": "5"}, "base": base + 4})).await;
    let outcome = ana.push_one("update", "doc", "d", json!({"set": {"title": "6"}, "base": base})).await;
    assert_eq!((&outcome["outcome"], &outcome["row"]["version"]), (&json!("conflict"), &json!(version)));
}

#[tokio::test]
async fn append_only_takes_new_records_only() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "entry", "e", json!({"set": {"text": "a"}})).await;
    assert_eq!(rejected(&ana.push_one("create", "entry", "e", json!({"set": {"text": "b"}})).await), "row/exists");
    assert_eq!(
        rejected(&ana.push_one("update", "entry", "e", json!({"set": {"text": "b"}})).await),
        "policy/append-only"
    );
    assert_eq!(rejected(&ana.push_one("delete", "entry", "e", json!({})).await), "policy/append-only");
}

#[tokio::test]
async fn a_deleted_record_stays_deleted() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = ana.accepted("create", "note", "n", json!({"set": {"title": "t"}})).await;
    let deleted = ana.accepted("delete", "note", "n", json!({"base": made})).await;
    assert!(deleted > made);
    let update = ben.push_one("update", "note", "n", json!({"set": {"title": "u"}, "base": made})).await;
    assert_eq!(rejected(&update), "row/deleted");
    let create = ben.push_one("create", "note", "n", json!({"set": {"title": "u"}})).await;
    assert_eq!(rejected(&create), "row/deleted");
    // Both wanted it gone: no reason to bother anybody.
    assert_eq!(ben.accepted("delete", "note", "n", json!({"base": made})).await, deleted);
    let mut replica = Replica::default();
    replica.sync(&ben, &["note"]).await;
    assert!(replica.rows("note/all").is_empty());
}

#[tokio::test]
async fn nobody_changes_what_is_in_none_of_their_scopes() {
    let server = Server::start().await;
    let (mut ana, mut ben) = (server.ana(), server.ben());
    let made = ana.accepted("create", "task", "a", json!({"set": {"title": "t", "team": "a"}})).await;
    for (op, id, what) in [
        ("update", "a", json!({"set": {"title": "x"}, "base": made})),
        ("delete", "a", json!({"base": made})),
        ("create", "a", json!({"set": {"title": "x", "team": "b"}})),
        ("create", "new", json!({"set": {"title": "x", "team": "a"}})),
        ("create", "new", json!({"set": {"title": "x"}})),
    ] {
        assert_eq!(rejected(&ben.push_one(op, "task", id, what).await), "auth/scope", "{op} {id}");
    }
    ben.accepted("create", "task", "b", json!({"set": {"title": "t", "team": "b"}})).await;
    let away = ben.push_one("update", "task", "b", json!({"set": {"team": "a"}})).await;
    assert_eq!(rejected(&away), "auth/scope");
    ana.accepted("update", "task", "b", json!({"set": {"team": "a"}})).await;
}

#[tokio::test]
async fn constraints_of_the_database_are_refusals() {
    let server = Server::start().await;
    server.sql("CREATE UNIQUE INDEX one_title ON note (title)").await;
    server.sql(Here::NO_BAD_NOTES).await;
    let server = Server::start_in(server.stop().await, CONFIG).await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    let twice = ana.push_one("create", "note", "2", json!({"set": {"title": "t"}})).await;
    assert_eq!(rejected(&twice), "constraint/unique");
    assert_eq!(twice["fields"], json!({"title": "another record has this value"}), "{twice}");
    let bad = ana.push_one("create", "note", "2", json!({"set": {"title": "bad"}})).await;
    assert_eq!(rejected(&bad), "constraint/check");
    ana.accepted("create", "note", "2", json!({"set": {"title": "u"}})).await;
}
