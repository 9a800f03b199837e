//! What only SQLite can do to its tables, and files that are none.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use whimbrel_server::SqliteStorage;

use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Replica};

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
        assert_eq!(server.number(shared).await, 0, "two changes of a bucket share a version after {sql}");
    }
}

#[tokio::test]
async fn a_table_that_was_there_before_is_attached_with_its_rows() {
    let folder = Arc::new(TempDir::new().unwrap());
    Here::sql(
        folder.path(),
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
async fn a_file_that_is_no_database_cannot_be_used() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.sqlite");
    std::fs::write(&file, "this is not a database, and longer than a header of one hundred bytes would be ……………………")
        .unwrap();
    let config = whimbrel_server::Entities::default();
    assert!(SqliteStorage::open(&file, &config).await.is_err());
}
