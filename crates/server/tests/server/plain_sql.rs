//! Tables stay everybody's: writes past the server sync as well, and tables that were there before are used.

use serde_json::json;
use tempfile::TempDir;

use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Replica, config_in};

#[tokio::test]
async fn a_push_meets_what_plain_sql_did() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let base = ana.accepted("create", "doc", "d", json!({"set": {"title": "t"}})).await;
    server.sql("UPDATE doc SET title = 'by hand'").await;
    let outcome = ana.push_one("update", "doc", "d", json!({"set": {"title": "u"}, "base": base})).await;
    assert_eq!(outcome["row"], json!({"version": base + 1, "fields": {"title": "by hand", "body": null}}));
    server.sql("DELETE FROM doc").await;
    let outcome = ana.push_one("update", "doc", "d", json!({"set": {"title": "u"}, "base": base})).await;
    assert_eq!(outcome, json!({"outcome": "conflict"}));
}

#[tokio::test]
async fn triggers_of_the_app_that_write_on_are_synced_with_the_right_versions() {
    let server = Server::start().await;
    server.sql(Here::AUDIT_NOTES).await;
    let mut ana = server.ana();
    let first = ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    let folder = server.stop().await;
    // Which trigger fires first is the database's choice; a start makes ours anew, and so the newer of the two.
    let server = Server::start_in(folder, CONFIG).await;
    let mut ana = server.ana();
    let second = ana.accepted("create", "note", "2", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note", "entry"]).await;
    assert_eq!((replica.version("note/all", "1"), replica.version("note/all", "2")), (first, second));
    assert_eq!(replica.rows("entry/all")["log of 2"], json!({"text": "t"}));
}

#[tokio::test]
async fn other_scopes_at_the_next_start_move_every_row() {
    let server = Server::start().await;
    server.sql("INSERT INTO task VALUES ('1', 'one', 'a'), ('2', 'two', 'b')").await;
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["task"]).await;
    let folder = server.stop().await;
    let config = CONFIG.replace(r#"scopes = ["team:{team}"]"#, r#"scopes = ["all"]"#);
    let server = Server::start_in(folder, &config).await;
    replica.sync(&server.ana(), &["task"]).await;
    assert_eq!(replica.bucket_names(), ["task/all"]);
    assert_eq!(replica.rows("task/all").len(), 2);
    let folder = server.stop().await;
    // The same scopes again: nothing is sent twice.
    let server = Server::start_in(folder, &config).await;
    let lines = replica.sync(&server.ana(), &["task"]).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
}

#[tokio::test]
async fn another_table_at_the_next_start_takes_the_place_of_the_first() {
    let server = Server::start().await;
    server.sql("INSERT INTO task VALUES ('1', 'one', 'a'), ('2', 'two', 'a'), ('3', 'three', 'a')").await;
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["task"]).await;
    let folder = server.stop().await;
    Here::sql(
        folder.path(),
        "CREATE TABLE job (id TEXT PRIMARY KEY, title TEXT, team TEXT); INSERT INTO job VALUES ('2', 'deux', 'a')",
    )
    .await;
    let config = CONFIG.replace("name = \"task\"", "name = \"task\"\ntable = \"job\"");
    let server = Server::start_in(folder, &config).await;
    let lines = replica.sync(&server.ana(), &["task"]).await;
    assert_eq!(replica.rows("task/team:a").into_values().collect::<Vec<_>>(), [json!({"title": "deux", "team": "a"})]);
    let gone = lines.iter().find_map(|line| line["gone"]["rows"].as_array()).unwrap();
    assert_eq!(gone.len(), 2);
    assert_ne!(gone[0][1], gone[1][1], "two changes, two versions");
}

#[tokio::test]
async fn a_database_that_does_not_fit_is_left_as_it_was() {
    let cases = [
        ("CREATE TABLE task (id TEXT PRIMARY KEY, team TEXT)", "has no column \"title\""),
        ("CREATE TABLE task (title TEXT, team TEXT)", "has no column \"id\""),
        ("CREATE VIEW task AS SELECT 1 AS id", "is a view in the database"),
    ];
    for (sql, expected) in cases {
        let folder = TempDir::new().unwrap();
        Here::sql(folder.path(), sql).await;
        let config = config_in(folder.path(), CONFIG);
        let error = Here::open(folder.path(), &config).await.err().unwrap().to_string();
        assert!(error.contains("entity task") && error.contains(expected), "{error}");
        // Nothing of the server's is there, so it can be made.
        Here::sql(folder.path(), "CREATE TABLE whimbrel_meta (name text); CREATE TABLE note (id text)").await;
    }
}

#[tokio::test]
async fn r4_a_column_that_must_have_a_value_takes_its_default_when_a_client_says_none() {
    let folder = TempDir::new().unwrap();
    Here::sql(
        folder.path(),
        "CREATE TABLE note (id text PRIMARY KEY, title varchar(10) NOT NULL DEFAULT 'untitled', count integer NOT NULL DEFAULT (3 + 4),
                            ratio double precision DEFAULT 0.5, done boolean NOT NULL DEFAULT FALSE,
                            due_at bigint NOT NULL DEFAULT 9, note_id text, body text NOT NULL)",
    )
    .await;
    let config = CONFIG.replacen("max = 10, required = true", "max = 10", 1);
    let server = Server::start_in(folder.into(), &config).await;
    let mut ana = server.ana();
    let said = json!({"set": {"body": "b"}});
    ana.accepted("create", "note", "1", said).await;
    ana.accepted("create", "note", "2", json!({"set": {"title": "t", "count": 0, "done": true, "body": "b"}})).await;
    // Many at once take another way.
    let changes: Vec<_> = (3..6)
        .map(|n| ana.change("create", "note", &n.to_string(), json!({"set": {"body": "b", "count": n}})))
        .collect();
    assert!(ana.push(&changes).await.iter().all(|outcome| outcome["outcome"] == "accepted"));
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    let rows = replica.rows("note/all");
    // What may be empty is empty when nothing is said, as the protocol has it.
    let untitled =
        json!({"title": "untitled", "count": 7, "ratio": null, "done": false, "dueAt": 9, "noteId": null, "body": "b"});
    assert_eq!(rows["1"], untitled);
    assert_eq!((&rows["2"]["title"], &rows["2"]["count"], &rows["2"]["done"]), (&json!("t"), &json!(0), &json!(true)));
    assert_eq!((&rows["4"]["title"], &rows["4"]["count"]), (&json!("untitled"), &json!(4)));
    // Without a default it is refused, and an update says what it says.
    let refused = ana.push_one("create", "note", "9", json!({"set": {"title": "t"}})).await;
    assert_eq!(refused["code"], "constraint/check");
    assert!(refused["fields"].get("body").is_some(), "{refused}");
    assert_eq!(ana.push_one("update", "note", "2", json!({"set": {"title": null}})).await["code"], "constraint/check");
}
