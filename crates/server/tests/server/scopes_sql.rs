//! The user's scopes by a query: whoever loses one loses its rows with the next pull, and nobody else sees anything of it.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use super::events::Events;
use super::program::command;
use super::{Here, Server};
use crate::support::{Backend as _, CONFIG, Replica, code_of};

const MEMBER: &str = "CREATE TABLE member (user_id text NOT NULL, team_id text);
                      INSERT INTO member VALUES ('ana', 'a'), ('ana', NULL), ('ben', 'b')";

fn config(query: &str) -> String {
    let config = CONFIG.replacen("[auth]\n", &format!("[auth]\nscopesSql = \"{query}\"\n"), 1);
    config.replace(r#"["all", "team:a", "team:b"]"#, r#"["all"]"#).replace(r#"["all", "team:b"]"#, r#"["all"]"#)
}

const QUERY: &str = "SELECT 'team:' || team_id FROM member WHERE user_id = $1";

async fn server() -> Server {
    let folder = TempDir::new().unwrap();
    Here::sql(folder.path(), MEMBER).await;
    Server::start_in(Arc::new(folder), &config(QUERY)).await
}

#[tokio::test]
async fn r5_a_scope_that_is_lost_takes_its_rows_along_and_a_new_one_brings_them() {
    let server = server().await;
    let mut ana = server.ana();
    ana.accepted("create", "task", "1", json!({"set": {"title": "one", "team": "a"}})).await;
    assert_eq!(ana.push_one("create", "task", "2", json!({"set": {"title": "two", "team": "b"}})).await["code"], "auth/scope");
    server.ben().accepted("create", "task", "2", json!({"set": {"title": "two", "team": "b"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["task"]).await;
    assert_eq!(replica.rows("task/team:a").into_keys().collect::<Vec<_>>(), ["1"]);
    // To another team: the rows of one leave, those of the other arrive, with one pull.
    server.sql("UPDATE member SET team_id = 'b' WHERE user_id = 'ana' AND team_id = 'a'").await;
    replica.sync(&ana, &["task"]).await;
    assert_eq!(replica.bucket_names(), ["task/team:b"]);
    assert_eq!(replica.rows("task/team:b").into_keys().collect::<Vec<_>>(), ["2"]);
    assert_eq!(ana.push_one("update", "task", "1", json!({"set": {"title": "x"}})).await["code"], "auth/scope");
    // And back: what changed meanwhile is there.
    server.sql("UPDATE task SET title = 'uno' WHERE id = '1'").await;
    server.sql("UPDATE member SET team_id = 'a' WHERE user_id = 'ana' AND team_id = 'b'").await;
    replica.sync(&ana, &["task"]).await;
    assert_eq!(replica.rows("task/team:a")["1"]["title"], "uno");
    assert_eq!(replica.bucket_names(), ["task/team:a"]);
    // Out of all teams.
    server.sql("DELETE FROM member WHERE user_id = 'ana'").await;
    let lines = replica.sync(&ana, &["task"]).await;
    assert_eq!(lines[0]["start"]["forbidden"], json!(["task"]));
    assert!(replica.bucket_names().is_empty());
}

#[tokio::test]
async fn r21_who_listens_hears_of_scopes_that_change() {
    let server = server().await;
    let ana = server.ana();
    let mut of_ana = Events::listen(&ana).await;
    server.sql("UPDATE member SET team_id = 'b' WHERE user_id = 'ana'").await;
    assert_eq!(of_ana.next().await.unwrap(), r#"{"buckets":["task/team:a","task/team:b"]}"#);
}

#[tokio::test]
async fn a_query_that_fails_gives_nobody_anything() {
    let server = server().await;
    let ana = server.ana();
    server.sql("ALTER TABLE member RENAME TO members").await;
    let request = json!({ "protocol": 1, "client": ana.client, "schema": 1, "entities": ["task"], "cursors": [] });
    let answer = ana.post("/v1/pull", &request).await;
    assert_eq!((answer.0, code_of(&answer).as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "server/internal"));
    assert!(!answer.1.contains("member"), "what happened is in the log only: {}", answer.1);
    server.sql("ALTER TABLE members RENAME TO member").await;
    assert_eq!(ana.post("/v1/pull", &request).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_server_does_not_start_with_a_query_that_cannot_be_asked() {
    let folder = TempDir::new().unwrap();
    let command = || {
        let mut program = command(folder.path());
        program.args(["--listen", "127.0.0.1:0"]);
        program
    };
    for (query, expected) in [
        (QUERY, "auth.scopesSql"),
        ("SELECT 'team' WHERE 'a' = 'b'", "does not ask for $1"),
        ("SELECT nothing WHERE $1 = 'x'", "auth.scopesSql"),
    ] {
        std::fs::write(folder.path().join("server.toml"), config(query)).unwrap();
        let output = command().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{query}: {said}");
        assert!(said.contains(expected), "{query}: {said}");
    }
}
