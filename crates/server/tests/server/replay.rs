//! Exactly once.

use serde_json::{Value, json};

use super::Server;
use crate::support::{Replica, outcomes_of};

#[tokio::test]
async fn a_lost_answer_is_given_again_and_nothing_is_done_twice() {
    let server = Server::start().await;
    let mut ana = server.ana();
    server.ben().accepted("create", "doc", "d", json!({"set": {"title": "theirs"}})).await;
    let first = [
        ana.change("create", "note", "n", json!({"set": {"title": "t", "count": 1}})),
        ana.change("create", "note", "n2", json!({"set": {"title": "far too long"}})),
        ana.change("update", "doc", "d", json!({"set": {"title": "mine"}})),
        ana.change("delete", "note", "n", json!({})),
    ];
    let answered = ana.push(&first).await;
    // In between the world goes on; the first outcomes stay what they were.
    server.ben().accepted("update", "doc", "d", json!({"set": {"title": "theirs again"}, "base": 1})).await;
    let mut more = first.to_vec();
    more.push(ana.change("create", "note", "n3", json!({"set": {"title": "t"}})));
    let again = ana.push(&more).await;
    for (first, again) in answered.iter().zip(&again) {
        if first["outcome"] == "accepted" {
            let duplicate = json!({"seq": first["seq"], "outcome": "duplicate", "version": first["version"]});
            assert_eq!(again, &duplicate);
        } else {
            assert_eq!(again, first);
        }
    }
    assert_eq!(again[4]["outcome"], "accepted");
    // Any part of what is known may be asked for.
    let part = ana.push(&more[1..3]).await;
    assert_eq!(part, again[1..3]);
    let mut replica = Replica::default();
    replica.sync(&ana, &["note"]).await;
    assert_eq!(replica.rows("note/all").into_keys().collect::<Vec<_>>(), ["n3"]);
}

#[tokio::test]
async fn the_answer_names_the_last_seq_and_an_empty_push_asks_for_it() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let empty = ana.request(&[], 0);
    assert_eq!(ana.push_raw(&empty).await.1, json!({"protocol": 1, "outcomes": [], "last_seq": 0}));
    ana.accepted("create", "note", "a", json!({"set": {"title": "t"}})).await;
    ana.accepted("create", "note", "b", json!({"set": {"title": "t"}})).await;
    assert_eq!(ana.push_raw(&empty).await.1["last_seq"], 2);
}

#[tokio::test]
async fn outcomes_are_forgotten_once_acknowledged() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let changes: Vec<Value> =
        (0..5).map(|n| ana.change("create", "note", &format!("n{n}"), json!({"set": {"title": "t"}}))).collect();
    ana.push(&changes).await;
    let count = "SELECT count(*) FROM whimbrel_outcome";
    assert_eq!(server.number(count).await, 5);
    ana.push_raw(&ana.request(&[], 3)).await;
    assert_eq!(server.number(count).await, 2);
    // What is left can still be asked for, what is forgotten cannot.
    let (status, body) = ana.push_raw(&ana.request(&changes[3..], 3)).await;
    assert_eq!(status, 200);
    assert!(outcomes_of(&body).iter().all(|outcome| outcome["outcome"] == "duplicate"), "{body}");
    let (status, body) = ana.push_raw(&ana.request(&changes[2..], 3)).await;
    assert_eq!((status.as_u16(), &body["code"]), (409, &json!("push/fork")));
    // An older ack takes nothing back.
    assert_eq!(ana.push_raw(&ana.request(&changes[3..], 0)).await.0, 200);
}

#[tokio::test]
async fn a_seq_with_another_change_is_a_fork_and_changes_nothing() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let first = ana.change("create", "note", "a", json!({"set": {"title": "t"}}));
    ana.push(std::slice::from_ref(&first)).await;
    let mut other = ana.clone();
    let mut forged = first.clone();
    forged["change"] = json!(uuid::Uuid::new_v4().to_string());
    let next = other.change("create", "note", "b", json!({"set": {"title": "t"}}));
    let (status, body) = ana.push_raw(&ana.request(&[forged, next], 0)).await;
    assert_eq!((status.as_u16(), &body["code"]), (409, &json!("push/fork")));
    assert_eq!(server.number("SELECT count(*) FROM note").await, 1);
    assert_eq!(server.number("SELECT last_seq FROM whimbrel_client").await, 1);
}

/// The backup has the change as it was before somebody wrote on, under the same number and the same id.
#[tokio::test]
async fn r17_a_store_that_was_put_back_to_a_backup_is_a_fork() {
    let server = Server::start().await;
    let mut ana = server.ana();
    let sent = ana.change("create", "note", "a", json!({"set": {"title": "late", "count": 2}}));
    assert_eq!(ana.push(std::slice::from_ref(&sent)).await[0]["outcome"], "accepted");
    for (key, value) in [
        ("set", json!({"title": "early"})),
        ("set", json!({"title": "late", "count": 3})),
        ("id", json!("b")),
        ("entity", json!("doc")),
        ("op", json!("update")),
    ] {
        let mut early = sent.clone();
        early[key] = value;
        let next = ana.clone().change("create", "note", "c", json!({"set": {"title": "t"}}));
        let (status, body) = ana.push_raw(&ana.request(&[early, next], 0)).await;
        assert_eq!((status.as_u16(), &body["code"]), (409, &json!("push/fork")), "{key}: {body}");
    }
    assert_eq!(server.number("SELECT count(*) FROM note").await, 1);
    assert_eq!(server.number("SELECT last_seq FROM whimbrel_client").await, 1);
    // The same again is no fork, in whatever order its keys come, and whatever else is said of it.
    let mut same = sent.clone();
    same["set"] = json!({"count": 2, "title": "late"});
    same["at"] = json!(2);
    assert_eq!(ana.push(&[same]).await[0]["outcome"], "duplicate");
    // Who asks what became of a change that it sends no more is told.
    let mut emptied = sent.clone();
    (emptied["entity"], emptied["set"]) = (json!("-"), json!({}));
    assert_eq!(ana.push(&[emptied]).await[0]["outcome"], "duplicate");
}

#[tokio::test]
async fn a_gap_is_refused_and_names_the_last_seq() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "a", json!({"set": {"title": "t"}})).await;
    ana.change("create", "note", "skipped", json!({}));
    let late = ana.change("create", "note", "late", json!({"set": {"title": "t"}}));
    for request in [ana.request(&[late], 0), ana.request(&[], 2)] {
        let (status, body) = ana.push_raw(&request).await;
        assert_eq!((status.as_u16(), &body["code"]), (409, &json!("push/gap")));
        assert_eq!(body["detail"], "the last seq known is 1");
    }
}

#[tokio::test]
async fn a_client_belongs_to_its_first_user() {
    let server = Server::start().await;
    let mut ana = server.ana();
    ana.accepted("create", "note", "a", json!({"set": {"title": "t"}})).await;
    let mut thief = ana.clone();
    thief.token = "t-ben".into();
    let change = thief.change("create", "note", "b", json!({"set": {"title": "t"}}));
    let (status, body) = thief.push_raw(&thief.request(&[change], 0)).await;
    assert_eq!((status.as_u16(), &body["code"]), (403, &json!("auth/other-user")));
    assert_eq!(server.number("SELECT count(*) FROM note").await, 1);
}
