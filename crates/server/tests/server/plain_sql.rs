//! Tables stay everybody's: writes past the server sync as well, and tables that were there before are used.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use whimbrel_server::{Config, SqliteStorage};

use crate::support::{CONFIG, Replica, Server, number_on, sql_on};

#[tokio::test]
async fn writes_by_plain_sql_sync_as_well() {
    let server = Server::start().await;
    let ana = server.ana();
    let mut replica = Replica::default();
    replica.sync(&ana, &["task"]).await;
    let steps = [
        ("INSERT INTO task VALUES ('1', 'one', 'a'), ('2', 'two', 'b')", "1:one", "2:two"),
        ("UPDATE task SET title = 'uno' WHERE id = '1'", "1:uno", "2:two"),
        ("UPDATE task SET team = 'b' WHERE id = '1'", "", "1:uno 2:two"),
        // REPLACE removes the old row without telling a delete trigger.
        ("INSERT OR REPLACE INTO task VALUES ('1', 'one', 'a')", "1:one", "2:two"),
        ("INSERT OR IGNORE INTO task VALUES ('1', 'x', 'b'), ('3', 'three', 'a')", "1:one 3:three", "2:two"),
        ("INSERT INTO task VALUES ('3', 'x', 'b') ON CONFLICT DO UPDATE SET team = 'b'", "1:one", "2:two 3:three"),
        ("UPDATE OR REPLACE task SET id = '1' WHERE id = '3'", "", "1:three 2:two"),
        ("UPDATE task SET team = NULL WHERE id = '1'", "", "2:two"),
        ("UPDATE task SET id = '9' WHERE id = '2'", "", "9:two"),
        ("BEGIN; INSERT INTO task VALUES ('5', 'x', 'a'); ROLLBACK", "", "9:two"),
        ("DELETE FROM task", "", ""),
        ("INSERT INTO task VALUES ('1', 'again', 'a')", "1:again", ""),
    ];
    for (sql, a, b) in steps {
        server.sql(sql).await;
        replica.sync(&ana, &["task"]).await;
        for (bucket, expected) in [("task/team:a", a), ("task/team:b", b)] {
            let rows = replica.rows(bucket);
            let found: Vec<String> =
                rows.iter().map(|(id, fields)| format!("{id}:{}", fields["title"].as_str().unwrap())).collect();
            assert_eq!(found.join(" "), expected, "{bucket} after {sql}");
        }
        let shared = "SELECT count(*) - count(DISTINCT entity || '/' || scope || '/' || version) FROM whimbrel_log";
        assert_eq!(number_on(&server.file(), shared).await, 0, "two changes of a bucket share a version after {sql}");
    }
}

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
    server
        .sql(
            "CREATE TRIGGER audit AFTER INSERT ON note
             BEGIN INSERT INTO entry VALUES ('log of ' || NEW.id, NEW.title); END",
        )
        .await;
    let mut ana = server.ana();
    let first = ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    let folder = server.stop().await;
    // Which trigger fires first is SQLite's choice; a start makes ours anew, and so the newer of the two.
    let server = Server::start_in(folder, CONFIG).await;
    let mut ana = server.ana();
    let second = ana.accepted("create", "note", "2", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note", "entry"]).await;
    assert_eq!((replica.version("note/all", "1"), replica.version("note/all", "2")), (first, second));
    assert_eq!(replica.rows("entry/all")["log of 2"], json!({"text": "t"}));
}

#[tokio::test]
async fn a_table_that_was_there_before_is_attached_with_its_rows() {
    let folder = Arc::new(TempDir::new().unwrap());
    let file = folder.path().join("test.sqlite");
    sql_on(
        &file,
        "CREATE TABLE Task (title VARCHAR(80), ID INTEGER PRIMARY KEY, team, budget DECIMAL);
         INSERT INTO task VALUES ('one', 1, 'a', 3.5), ('two', 2, 'b', NULL), ('nowhere', 3, NULL, 0);",
    )
    .await;
    let config = CONFIG.replace(
        r#"{ name = "team", type = "text" }]"#,
        r#"{ name = "team", type = "text" }, { name = "added", type = "integer" }]"#,
    );
    let server = Server::start_in(folder, &config).await;
    let mut ana = server.ana();
    let mut replica = Replica::default();
    replica.sync(&ana, &["task"]).await;
    assert_eq!(replica.rows("task/team:a")["1"], json!({"title": "one", "team": "a", "added": null}));
    assert_eq!(replica.rows("task/team:b").len(), 1);
    ana.accepted("update", "task", "1", json!({"set": {"added": 5}, "base": replica.version("task/team:a", "1")}))
        .await;
    server.sql("UPDATE task SET team = 'a' WHERE id = 3").await;
    replica.sync(&ana, &["task"]).await;
    assert_eq!(replica.rows("task/team:a").len(), 2);
    assert_eq!(replica.rows("task/team:a")["1"]["added"], 5);
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
    sql_on(
        &folder.path().join("test.sqlite"),
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
        let file = folder.path().join("test.sqlite");
        sql_on(&file, sql).await;
        std::fs::write(folder.path().join("server.toml"), CONFIG).unwrap();
        let config = Config::load(&folder.path().join("server.toml")).unwrap();
        let error = SqliteStorage::open(&file, &config.entities).await.unwrap_err().to_string();
        assert!(error.contains("entity task") && error.contains(expected), "{error}");
        let tables = number_on(&file, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'whimbrel%'");
        assert_eq!(tables.await, 0);
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.sqlite");
    std::fs::write(&file, "this is not a database, and longer than a header of one hundred bytes would be ……………………")
        .unwrap();
    let config = whimbrel_server::Entities::default();
    assert!(SqliteStorage::open(&file, &config).await.is_err());
}
