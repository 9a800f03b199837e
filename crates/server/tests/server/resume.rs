//! An answer may be cut off after any line, and the world goes on in between: nothing is missed.

use serde_json::{Value, json};

use super::Server;
use crate::support::{Replica, insert};

const ROWS: usize = 6_500;

async fn fill(server: &Server) {
    let sql = insert("task (id, title, team)", ROWS, |n| {
        let v = n + 1;
        format!("'{:05}', 't{v}', 'a'", v * 7919 % 100_000)
    });
    server.sql(&sql).await;
}

/// Rows whose number is `rest` when divided by fifty.
fn every_fiftieth(rest: usize) -> String {
    format!("substr(id, 4, 2) IN ('{:02}', '{:02}')", rest % 50, rest % 50 + 50)
}

/// A write of every kind, over the whole range of ids; told apart by `round`.
async fn disturb(server: &Server, round: usize) {
    let [changed, deleted, moved] = [round, round + 10, round + 20].map(every_fiftieth);
    server
        .sql(&format!(
            "UPDATE task SET title = 'r{round}' WHERE {changed};
             DELETE FROM task WHERE {deleted};
             UPDATE task SET team = 'b' WHERE {moved};
             INSERT INTO task VALUES ('!{round}', 'first', 'a'), ('~{round}', 'last', 'a');",
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
