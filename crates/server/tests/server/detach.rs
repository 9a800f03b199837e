//! What attaching would do can be read before, and all of it can be taken back.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::program::command;
use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Replica};

/// The standard output of a program of the server that ended well.
pub(super) fn said(folder: &Path, arguments: &[&str]) -> String {
    let command = command(folder);
    let whole: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    let config: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let mut program = std::process::Command::new(command.get_program());
    program.args(&whole).args(&config);
    Here::hand_over(folder, &mut program);
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("server.toml"), CONFIG).unwrap();
    folder
}

#[tokio::test]
async fn a_dry_run_prints_what_attaching_does_and_does_nothing() {
    let folder = folder();
    Here::sql(folder.path(), "CREATE TABLE task (id text PRIMARY KEY, title text, team text)").await;
    Here::sql(folder.path(), "INSERT INTO task VALUES ('1', 'one', 'a')").await;
    let before = Here::schema(folder.path()).await;
    let script = said(folder.path(), &["attach", "--dry-run"]);
    assert!(script.contains("CREATE TABLE \"note\"") && script.contains("TRIGGER"), "{script}");
    assert!(!script.contains("CREATE TABLE \"task\""), "it is there: {script}");
    assert_eq!(Here::schema(folder.path()).await, before);
    // What it prints is all there is to do.
    Here::sql(folder.path(), &script).await;
    assert_eq!(Here::number(folder.path(), "SELECT count(*) FROM whimbrel_log WHERE NOT gone").await, 1);
    let attached = Here::schema(folder.path()).await;
    assert_eq!(said(folder.path(), &["attach"]), "");
    assert_eq!(Here::schema(folder.path()).await, attached);
}

#[tokio::test]
async fn detaching_leaves_the_tables_as_they_were() {
    let folder = folder();
    let tables = CONFIG.matches("[[entity]]").count();
    let script = said(folder.path(), &["attach", "--dry-run"]);
    // The tables alone, as somebody else would have made them.
    let alone: Vec<&str> = script.split(";\n\n").filter(|sql| sql.starts_with("CREATE TABLE \"")).collect();
    assert_eq!(alone.len(), tables);
    Here::sql(folder.path(), &alone.join(";")).await;
    Here::sql(folder.path(), "INSERT INTO task VALUES ('1', 'one', 'a')").await;
    let before = Here::schema(folder.path()).await;
    let server = Server::start_in(std::sync::Arc::new(folder), CONFIG).await;
    server.ana().accepted("create", "task", "2", json!({"set": {"title": "two", "team": "a"}})).await;
    let folder = std::sync::Arc::into_inner(server.stop().await).unwrap();
    assert_ne!(Here::schema(folder.path()).await, before);
    assert_eq!(said(folder.path(), &["detach"]), "");
    assert_eq!(Here::schema(folder.path()).await, before);
    // Nobody is in the way of writers, and what they write meanwhile is found when the tables are attached again.
    Here::sql(folder.path(), "DELETE FROM task WHERE id = '1'; INSERT INTO task VALUES ('3', 'three', 'a')").await;
    let server = Server::start_in(std::sync::Arc::new(folder), CONFIG).await;
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["task"]).await;
    assert_eq!(replica.rows("task/team:a").into_keys().collect::<Vec<_>>(), ["2", "3"]);
}
