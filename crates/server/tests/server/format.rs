//! The server's own tables have a format: older ones are brought up, newer ones are left alone.

use serde_json::json;
use tempfile::TempDir;

use super::program::command;
use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Replica};

#[tokio::test]
async fn tables_of_the_first_format_are_brought_up() {
    let server = Server::start().await;
    server.ana().accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["note"]).await;
    let folder = server.stop().await;

    let server = Server::start_in(folder, CONFIG).await;
    let lines = replica.sync(&server.ana(), &["note"]).await;
    assert_eq!(lines.len(), 3, "a cursor goes on after a new start: {lines:?}");
    let folder = server.stop().await;

    Here::sql(folder.path(), "DELETE FROM whimbrel_meta WHERE name IN ('format', 'cursor key')").await;
    let server = Server::start_in(folder, CONFIG).await;
    let lines = replica.sync(&server.ana(), &["note"]).await;
    assert!(lines.iter().any(|line| line.get("resync").is_some()), "it has another key: {lines:?}");
    assert_eq!(replica.rows("note/all").len(), 1);
    assert_eq!(server.number("SELECT count(*) FROM whimbrel_meta WHERE name = 'format' AND value = '2'").await, 1);
}

#[tokio::test]
async fn tables_of_a_newer_server_are_not_touched() {
    let folder = Server::start().await.stop().await;
    Here::sql(folder.path(), "UPDATE whimbrel_meta SET value = '99' WHERE name = 'format'").await;
    let folder: &TempDir = &folder;
    std::fs::write(folder.path().join("server.toml"), CONFIG.replace("\"done\"", "\"ready\"")).unwrap();
    let before = Here::schema(folder.path()).await;
    let output = command(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("server/newer-database"), "{said}");
    assert_eq!(Here::schema(folder.path()).await, before);
}
