//! Several servers on one database.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use whimbrel_server::{Hints, router};

use super::events::Events;
use super::{Here, Server};
use crate::support::{Api, Backend as _, CONFIG, Draw, Replica, config_in, effort};

const ENTITIES: [&str; 4] = ["note", "task", "doc", "entry"];

/// A client that asks another server each time.
struct Wanderer {
    api: Api,
    draw: Draw,
    urls: [String; 2],
    replica: Replica,
    number: usize,
    made: Vec<String>,
}

impl Wanderer {
    fn anywhere(&mut self) -> Api {
        let place = self.draw.below(2) as usize;
        self.api.moved(&self.urls[place])
    }

    fn change(&mut self, step: usize) -> Value {
        let id = format!("{}-{step}", self.number);
        match self.draw.below(6) {
            0 => self.api.change("create", "entry", &id, json!({"set": {"text": "t"}})),
            1 => {
                let team = ["a", "b"][self.draw.below(2) as usize];
                self.api.change("create", "task", "shared", json!({"set": {"title": id, "team": team}}))
            }
            2 => self.api.change("update", "note", "shared", json!({"set": {"count": step}})),
            3 => match self.made.pop() {
                Some(made) => self.api.change("delete", "note", &made, json!({})),
                None => self.api.change("create", "doc", &id, json!({"set": {"title": "t"}})),
            },
            _ => {
                self.made.push(id.clone());
                self.api.change("create", "note", &id, json!({"set": {"title": "t"}}))
            }
        }
    }

    /// Sends changes, sometimes to both servers at once; the outcomes say once that they were taken.
    async fn push(&mut self, changes: &[Value]) {
        let request = self.api.request(changes, 0);
        let (here, there) = (self.anywhere(), self.anywhere());
        let answers = if self.draw.below(3) == 0 {
            let (first, second) = tokio::join!(here.push_raw(&request), there.push_raw(&request));
            vec![first.1, second.1]
        } else {
            vec![here.push_raw(&request).await.1]
        };
        let outcomes = |answer: &Value| -> Vec<String> {
            let all = answer["outcomes"].as_array().unwrap_or_else(|| panic!("{answer}"));
            all.iter().map(|outcome| outcome["outcome"].as_str().unwrap().to_owned()).collect()
        };
        for place in 0..changes.len() {
            let said: Vec<String> = answers.iter().map(|answer| outcomes(answer)[place].clone()).collect();
            assert_eq!(said.iter().filter(|outcome| *outcome == "accepted").count(), 1, "{said:?}");
        }
    }

    async fn wander(mut self, steps: usize) -> Self {
        for step in 0..steps {
            let count = 1 + self.draw.below(4) as usize;
            let changes: Vec<Value> = (0..count).map(|place| self.change(step * 10 + place)).collect();
            self.push(&changes).await;
            let api = self.anywhere();
            self.replica.sync(&api, &ENTITIES).await;
        }
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_move_between_servers_at_random_see_one_database() {
    let one = Server::start().await;
    let other = Server::start_in(one.folder(), CONFIG).await;
    one.ana().accepted("create", "note", "shared", json!({"set": {"title": "s"}})).await;
    let seed = effort("WHIMBREL_SEED", std::process::id() as usize) as u64;
    println!("WHIMBREL_SEED={seed}");
    let wanderers: Vec<_> = (0..4)
        .map(|number| {
            let wanderer = Wanderer {
                api: one.ana(),
                draw: Draw(seed * 10 + number as u64),
                urls: [one.url.clone(), other.url.clone()],
                replica: Replica::default(),
                number,
                made: Vec::new(),
            };
            tokio::spawn(wanderer.wander(effort("WHIMBREL_STEPS", 25)))
        })
        .collect();
    let mut all = Vec::new();
    for wanderer in wanderers {
        all.push(wanderer.await.unwrap());
    }
    let mut truth = Replica::default();
    truth.sync(&other.ana(), &ENTITIES).await;
    for mut wanderer in all {
        let api = wanderer.anywhere();
        wanderer.replica.sync(&api, &ENTITIES).await;
        for bucket in truth.bucket_names() {
            assert_eq!(wanderer.replica.rows(bucket), truth.rows(bucket), "{bucket}");
        }
    }
    let shared = "SELECT count(*) - count(DISTINCT (version, id)) FROM whimbrel_log WHERE NOT gone";
    assert_eq!(one.number(shared).await, 0, "a version is of one record");
}

/// A server that looks for nothing by itself: what it hears of others it hears from the database.
async fn listening_only(server: &Server) -> String {
    let folder = server.folder();
    let config = config_in(folder.path(), CONFIG);
    let storage = Arc::new(Here::open(folder.path(), &config).await.unwrap());
    let hints = Hints::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router(&config, Arc::clone(&storage), hints.clone());
    tokio::spawn(hints.listen(storage));
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_server_hints_at_what_others_wrote() {
    let server = Server::start().await;
    let url = listening_only(&server).await;
    let mut heard = Events::listen(&server.ana().moved(&url)).await;
    let mut ana = server.ana();
    // Whether it listens already nobody says, so it is told until it does.
    for number in 0.. {
        ana.accepted("create", "note", &number.to_string(), json!({"set": {"title": "t"}})).await;
        if let Ok(hint) = tokio::time::timeout(Duration::from_millis(100), heard.next()).await {
            assert_eq!(hint.unwrap(), r#"{"buckets":["note/all"]}"#);
            break;
        }
    }
    // Notes that were told late are told by then, at the latest with this one: a hint names everything up to where it looked.
    ana.accepted("create", "entry", "e", json!({"set": {"text": "t"}})).await;
    loop {
        let hint = heard.next().await.unwrap();
        if hint.contains("entry/all") {
            break;
        }
        assert_eq!(hint, r#"{"buckets":["note/all"]}"#);
    }
    server.sql("INSERT INTO place VALUES ('p', 'n')").await;
    assert_eq!(heard.next().await.unwrap(), r#"{"buckets":["place/all"]}"#, "of others, and once");
}
