//! An answer may be cut off after any line, and the world goes on in between: nothing is missed.

use serde_json::{Value, json};

use crate::support::{Replica, Server};

const ROWS: usize = 6_500;

async fn fill(server: &Server) {
    let sql = format!(
        "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < {ROWS})
         INSERT INTO task (id, title, team) SELECT printf('%05d', v * 7919 % 100000), 't' || v, 'a' FROM n"
    );
    server.sql(&sql).await;
}

/// A write of every kind, over the whole range of ids; told apart by `round`.
async fn disturb(server: &Server, round: usize) {
    server
        .sql(&format!(
            "UPDATE task SET title = 'r{round}' WHERE CAST(id AS INTEGER) % 50 = {round};
             DELETE FROM task WHERE CAST(id AS INTEGER) % 50 = {};
             UPDATE task SET team = 'b' WHERE CAST(id AS INTEGER) % 50 = {};
             INSERT INTO task VALUES ('!{round}', 'first', 'a'), ('~{round}', 'last', 'a');",
            round + 10,
            round + 20,
        ))
        .await;
}

async fn truth(server: &Server) -> Replica {
    let mut replica = Replica::default();
    replica.sync(&server.ana(), &["task"]).await;
    replica
}

#[tokio::test]
async fn cut_after_every_line_of_a_first_pull() {
    let server = Server::start().await;
    fill(&server).await;
    let ana = server.ana();
    let whole = ana.pull(&["task"], &json!([])).await;
    let rows: usize = whole.iter().filter_map(|line| line["rows"]["data"].as_array()).map(Vec::len).sum();
    assert_eq!(rows, ROWS);
    let expected = truth(&server).await;
    for cut in 0..whole.len() {
        let mut replica = Replica::default();
        replica.apply(&whole[..cut]);
        replica.sync(&ana, &["task"]).await;
        assert_eq!(replica.rows("task/team:a"), expected.rows("task/team:a"), "cut after {cut} lines");
    }
}

#[tokio::test]
async fn cut_after_every_line_while_others_write() {
    let server = Server::start().await;
    fill(&server).await;
    let ana = server.ana();
    let mut replica = Replica::default();
    // Each time one line more than the time before gets through, then somebody writes.
    for cut in 0..10 {
        let lines = ana.pull(&["task"], &replica.cursors()).await;
        replica.apply(&lines[..cut.min(lines.len())]);
        disturb(&server, cut).await;
    }
    replica.sync(&ana, &["task"]).await;
    let expected = truth(&server).await;
    for bucket in ["task/team:a", "task/team:b"] {
        assert_eq!(replica.rows(bucket), expected.rows(bucket), "{bucket}");
    }
    assert!(expected.rows("task/team:b").len() > 500);
}

#[tokio::test]
async fn cut_after_every_line_of_the_changes() {
    let server = Server::start().await;
    fill(&server).await;
    let ana = server.ana();
    let mut before = Replica::default();
    before.sync(&ana, &["task"]).await;
    server.sql("UPDATE task SET title = title || '!'; DELETE FROM task WHERE title LIKE '%5!'").await;
    let lines: Vec<Value> = ana.pull(&["task"], &before.cursors()).await;
    assert!(lines.len() > 8, "{}", lines.len());
    let expected = truth(&server).await;
    for cut in 0..=lines.len() {
        let mut replica = before.clone();
        replica.apply(&lines[..cut]);
        replica.sync(&ana, &["task"]).await;
        assert_eq!(replica.rows("task/team:a"), expected.rows("task/team:a"), "cut after {cut} lines");
    }
}
