//! What a pull brings, and in which order.

use futures_util::StreamExt;
use serde_json::{Value, json};

use whimbrel_server::Database as _;

use super::Server;
use crate::support::{Replica, code_of, insert};

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect()
}

#[tokio::test]
async fn r6_a_first_pull_brings_everything_and_a_second_one_what_changed() {
    let server = Server::start().await;
    let mut ana = server.ana();
    for id in ["b", "a", "c"] {
        ana.accepted("create", "note", id, json!({"set": {"title": id}})).await;
    }
    let mut replica = Replica::default();
    let lines = replica.sync(&ana, &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "rows", "cursor", "end"]);
    assert_eq!(lines[0]["start"]["protocol"], 1);
    assert_eq!(lines[0]["start"]["buckets"], json!([{"bucket": "note/all", "pending": 3}]));
    let columns = json!(["id", "_version", "title", "count", "ratio", "done", "dueAt", "noteId", "body"]);
    assert_eq!(lines[1]["rows"]["columns"], columns);
    let ids: Vec<&Value> = lines[1]["rows"]["data"].as_array().unwrap().iter().map(|row| &row[0]).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(lines[2]["cursor"]["more"], false);

    let changed = ana.accepted("update", "note", "b", json!({"set": {"count": 5}})).await;
    let deleted = ana.accepted("delete", "note", "a", json!({})).await;
    let lines = replica.sync(&ana, &["note"]).await;
    assert_eq!(lines[0]["start"]["buckets"], json!([{"bucket": "note/all", "pending": 2}]));
    assert_eq!(kinds(&lines), ["start", "rows", "gone", "cursor", "end"]);
    assert_eq!(lines[1]["rows"]["data"].as_array().unwrap().len(), 1);
    assert_eq!(lines[2]["gone"]["rows"], json!([["a", deleted]]));
    assert_eq!(replica.version("note/all", "b"), changed);

    let lines = replica.sync(&ana, &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "cursor", "end"]);
}

#[tokio::test]
async fn the_user_gets_the_buckets_of_their_scopes_and_no_others() {
    let server = Server::start().await;
    let (mut ana, ben) = (server.ana(), server.ben());
    for (id, team) in [("1", "a"), ("2", "b"), ("3", "b")] {
        ana.accepted("create", "task", id, json!({"set": {"title": "t", "team": team}})).await;
    }
    let (mut of_ana, mut of_ben) = (Replica::default(), Replica::default());
    of_ana.sync(&ana, &["task", "note", "task"]).await;
    of_ben.sync(&ben, &["task"]).await;
    assert_eq!(of_ana.bucket_names(), ["note/all", "task/team:a", "task/team:b"]);
    assert_eq!(of_ben.bucket_names(), ["task/team:b"]);
    assert_eq!(of_ben.rows("task/team:b").into_keys().collect::<Vec<_>>(), ["2", "3"]);
    let mut nobody = server.ana();
    nobody.token = "t-nobody".into();
    assert_eq!(kinds(&nobody.pull(&["task", "note"], &json!([])).await), ["start", "end"]);
    assert_eq!(kinds(&ana.pull(&[], &json!([])).await), ["start", "end"]);
}

#[tokio::test]
async fn a_bucket_that_is_no_longer_the_users_is_not_listed() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "task", "1", json!({"set": {"title": "t", "team": "a"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["task"]).await;
    // The same store under a token without team:a; Ben sends Ana's cursors and gets nothing by it.
    let lines = server.ben().pull(&["task"], &replica.cursors()).await;
    assert_eq!(lines[0]["start"]["buckets"], json!([{"bucket": "task/team:b", "pending": 0}]));
    assert!(!serde_json::to_string(&lines).unwrap().contains("team:a"));
}

#[tokio::test]
async fn a_row_that_leaves_a_scope_is_gone_from_it_and_new_in_the_other() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "task", "1", json!({"set": {"title": "t", "team": "a"}})).await;
    let (mut of_ana, mut of_ben) = (Replica::default(), Replica::default());
    of_ana.sync(&ana, &["task"]).await;
    of_ben.sync(&server.ben(), &["task"]).await;
    let moved = ana.accepted("update", "task", "1", json!({"set": {"team": "b"}})).await;
    let lines = of_ana.sync(&ana, &["task"]).await;
    assert_eq!(lines[1], json!({"gone": {"bucket": "task/team:a", "rows": [["1", moved]]}}));
    assert!(of_ana.rows("task/team:a").is_empty());
    of_ben.sync(&server.ben(), &["task"]).await;
    assert_eq!(of_ben.rows("task/team:b")["1"], json!({"title": "t", "team": "b"}));
    // And back, so that a second entry of the same scope replaces the first.
    let back = ana.accepted("update", "task", "1", json!({"set": {"team": "a"}})).await;
    of_ana.sync(&ana, &["task"]).await;
    assert_eq!(of_ana.version("task/team:a", "1"), back);
    of_ben.sync(&server.ben(), &["task"]).await;
    assert!(of_ben.rows("task/team:b").is_empty());
}

#[tokio::test]
async fn cursors_that_cannot_be_continued_bring_the_whole_bucket() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    ana.accepted("create", "task", "1", json!({"set": {"title": "t", "team": "a"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note", "task"]).await;
    let cursor_of = |bucket: &str| {
        let cursors = replica.cursors();
        let cursor = cursors.as_array().unwrap().iter().find(|cursor| cursor["bucket"] == bucket).unwrap();
        cursor["cursor"].as_str().unwrap().to_owned()
    };
    let good = cursor_of("note/all");
    let mut changed = good.clone();
    let last = if changed.pop() == Some('A') { "Q" } else { "A" };
    changed += last;
    let of_another_bucket = cursor_of("task/team:a");
    let mut of_ben = Replica::default();
    of_ben.sync(&server.ben(), &["note"]).await;
    let of_another_user = of_ben.cursors()[0]["cursor"].as_str().unwrap().to_owned();
    let more = format!("{good}0");
    let bad = ["", "x", "....", &good[1..], &more, &changed, &of_another_bucket, &of_another_user, &"9".repeat(5000)];
    for cursor in bad {
        let mut replica = Replica::default();
        replica.set_cursor("note/all", cursor);
        let lines = replica.sync(&ana, &["note"]).await;
        assert_eq!(kinds(&lines), ["start", "resync", "rows", "cursor", "end"], "{cursor:?}");
        assert_eq!(replica.rows("note/all").len(), 1);
    }
}

#[tokio::test]
async fn another_history_or_another_shape_is_a_resync() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "1", json!({"set": {"title": "t"}})).await;
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    let folder = server.stop().await;

    let wider = crate::support::CONFIG.replace(
        r#"{ name = "count", type = "integer" },"#,
        r#"{ name = "count", type = "integer" }, { name = "colour", type = "text" },"#,
    );
    let server = Server::start_in(folder, &wider).await;
    let lines = replica.sync(&server.ana(), &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "resync", "rows", "cursor", "end"]);
    assert_eq!(replica.rows("note/all")["1"]["colour"], Value::Null);

    let history = lines[0]["start"]["history"].clone();
    server.storage.renew_history().await.unwrap();
    let lines = replica.sync(&server.ana(), &["note"]).await;
    assert_eq!(kinds(&lines), ["start", "resync", "rows", "cursor", "end"]);
    assert_ne!(lines[0]["start"]["history"], history);
}

#[tokio::test]
async fn batches_are_bounded_in_rows_and_bytes() {
    let server = Server::start().await;
    server.sql(&insert("place", 4500, |n| format!("'p{n}', 'n'"))).await;
    let body = "\u{1}".repeat(60_000);
    server.sql(&insert("note (id, title, body)", 30, |n| format!("'{n}', 't', '{body}'"))).await;
    let ana = server.ana();
    let mut replica = Replica::default();
    let lines = replica.sync(&ana, &["place"]).await;
    assert_eq!(kinds(&lines), ["start", "rows", "cursor", "rows", "cursor", "rows", "cursor", "end"]);
    let more: Vec<&Value> = [2, 4, 6].iter().map(|line: &usize| &lines[*line]["cursor"]["more"]).collect();
    assert_eq!(more, [true, true, false]);
    assert_eq!(replica.rows("place/all").len(), 4500);
    // 30 rows of 60,000 control characters, six bytes each in JSON.
    let lines = replica.sync(&ana, &["note"]).await;
    let longest = lines.iter().map(|line| line.to_string().len()).max().unwrap();
    assert!((1_000_000..4_194_304).contains(&longest), "{longest}");
    assert_eq!(replica.rows("note/all").len(), 30);
}

#[tokio::test]
async fn a_row_that_no_line_can_hold_ends_the_answer_with_an_error() {
    let server = Server::start().await;
    let body = "0".repeat(4_400_000);
    server.sql(&format!("INSERT INTO note (id, title, body) VALUES ('n', 't', '{body}')")).await;
    let lines = server.ana().pull(&["note"], &json!([])).await;
    assert_eq!(kinds(&lines), ["start", "error"]);
    let problem = &lines[1]["error"];
    let status = reqwest::StatusCode::INTERNAL_SERVER_ERROR;
    assert_eq!(code_of(&(status, problem.to_string())), "server/internal");
}

#[tokio::test]
async fn an_answer_is_a_stream_of_lines_compressed_line_by_line() {
    let server = Server::start().await;
    server.sql(&insert("place", 9000, |n| format!("'p{n}', 'name'"))).await;
    let ana = server.ana();
    let request = json!({"protocol": 1, "client": ana.client, "schema": 1, "entities": ["place"]});
    let request = ana.http.post(format!("{}/v1/pull", ana.url)).bearer_auth(&ana.token).json(&request);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("{\"end\":{}}\n"), "{}", &text[text.len() - 100..]);

    // The same without reqwest's decompression: every chunk can be inflated as far as it goes.
    let plain = reqwest::Client::builder().no_gzip().build().unwrap();
    let body = json!({"protocol": 1, "client": ana.client, "schema": 1, "entities": ["place"]});
    let request = plain.post(format!("{}/v1/pull", ana.url)).bearer_auth(&ana.token).json(&body);
    let answer = request.header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let mut chunks = answer.bytes_stream();
    let (mut inflater, mut lines_seen, mut total) = (flate2::write::GzDecoder::new(Vec::new()), vec![], 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        total += chunk.len();
        std::io::Write::write_all(&mut inflater, &chunk).unwrap();
        lines_seen.push(inflater.get_ref().iter().filter(|byte| **byte == b'\n').count());
    }
    assert_eq!(inflater.finish().unwrap(), text.as_bytes());
    assert!(total < text.len() / 3, "{total} of {}", text.len());
    assert!(lines_seen[0] < *lines_seen.last().unwrap(), "{lines_seen:?}");
}
