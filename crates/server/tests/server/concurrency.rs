//! Many at once: nothing is lost, nothing is there twice, and no poller ever skips a row.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Server;
use crate::support::Replica;

const PUSHERS: usize = 6;
const PUSHES: usize = 12;
const CHANGES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushers_and_pollers_at_the_same_time() {
    let server = Server::start().await;
    server.ben().accepted("create", "note", "shared", json!({"set": {"title": "s"}})).await;
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let mut api = server.ana();
            tokio::spawn(async move {
                for push in 0..PUSHES {
                    let mut changes = vec![api.change("update", "note", "shared", json!({"set": {"count": pusher}}))];
                    for n in 0..CHANGES {
                        let id = format!("{pusher}-{push}-{n}");
                        changes.push(api.change("create", "note", &id, json!({"set": {"title": "t", "count": push}})));
                    }
                    for outcome in api.push(&changes).await {
                        assert_eq!(outcome["outcome"], "accepted", "{outcome}");
                    }
                }
            })
        })
        .collect();
    let pollers: Vec<_> = (0..3)
        .map(|_| {
            let api = server.ben();
            tokio::spawn(async move {
                let mut replica = Replica::default();
                while replica.bucket_names().is_empty()
                    || replica.rows("note/all").len() < PUSHERS * PUSHES * CHANGES + 1
                {
                    replica.sync(&api, &["note"]).await;
                }
                replica.sync(&api, &["note"]).await;
                replica
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.unwrap();
    }
    let mut truth = Replica::default();
    truth.sync(&server.ben(), &["note"]).await;
    for poller in pollers {
        let mut replica = poller.await.unwrap();
        replica.sync(&server.ben(), &["note"]).await;
        assert_eq!(replica.rows("note/all"), truth.rows("note/all"));
    }
    let rows: BTreeMap<String, Value> = truth.rows("note/all");
    assert_eq!(rows.len(), PUSHERS * PUSHES * CHANGES + 1);
}

/// The same request from several sockets at once, as when a client gives up waiting and sends again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_push_at_the_same_time_is_applied_once() {
    let server = Server::start().await;
    let mut ana = server.ana();
    for round in 0..10 {
        let change = ana.change("create", "entry", &format!("e{round}"), json!({"set": {"text": "t"}}));
        let sends: Vec<_> = (0..4)
            .map(|_| {
                let (ana, change) = (ana.clone(), change.clone());
                tokio::spawn(async move { ana.push(&[change]).await.remove(0) })
            })
            .collect();
        let mut said = Vec::new();
        for send in sends {
            said.push(send.await.unwrap()["outcome"].as_str().unwrap().to_owned());
        }
        said.sort();
        assert_eq!(said, ["accepted", "duplicate", "duplicate", "duplicate"]);
    }
}
