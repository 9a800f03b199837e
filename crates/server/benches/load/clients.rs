//! Clients that think in between.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::figures::{self, Times};
use crate::place::{Place, TEAMS};

/// Between two turns of a client: evenly distributed, ten seconds on average.
const THINK_MS: (u64, u64) = (2_000, 18_000);
/// Changes of a turn.
const CHANGES_MAX: u64 = 4;

/// A row of some 240 bytes.
pub(crate) fn row(team: usize, number: usize) -> Value {
    let body = format!("{number:08} {}", "What was found, and what was done about it. ".repeat(4));
    json!({ "title": format!("Pump {number}"), "team": team.to_string(), "body": body, "count": number, "done": false })
}

/// Chance, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// After how long a busy server is asked again; it says one second.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Seen {
    /// How often the server was busy; the time until it was not counts.
    busy: u64,
    pushes: Times,
    pulls: Times,
    accepted: u64,
    rows: u64,
}

struct Client {
    http: reqwest::Client,
    url: String,
    team: usize,
    id: String,
    seq: u64,
    made: Vec<String>,
    cursor: Value,
    dice: Dice,
}

impl Client {
    fn change(&mut self) -> Value {
        self.seq += 1;
        let change = Uuid::new_v4().to_string();
        let number = usize::try_from(self.seq).unwrap();
        if self.made.is_empty() || self.dice.below(3) == 0 {
            let id = Uuid::new_v4().to_string();
            self.made.push(id.clone());
            let set = row(self.team, number);
            return json!({ "seq": self.seq, "change": change, "entity": "task", "id": id, "op": "create", "set": set, "at": 1 });
        }
        let id = &self.made[self.dice.below(self.made.len() as u64) as usize];
        let set = json!({ "count": number, "done": number % 2 == 0 });
        json!({ "seq": self.seq, "change": change, "entity": "task", "id": id, "op": "update", "set": set, "at": 1 })
    }

    async fn post(&self, path: &str, body: Value, seen: &mut Seen) -> (Duration, String) {
        let start = Instant::now();
        loop {
            let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(format!("t{}", self.team));
            let answer = request.json(&body).send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            if status != 503 {
                assert_eq!(status, 200, "{text}");
                return (start.elapsed(), text);
            }
            seen.busy += 1;
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn push(&mut self, seen: &mut Seen) {
        let count = 1 + self.dice.below(CHANGES_MAX);
        let ack = self.seq;
        let changes: Vec<Value> = (0..count).map(|_| self.change()).collect();
        let body = json!({ "protocol": 1, "client": self.id, "schema": 1, "ack": ack, "changes": changes });
        let (time, text) = self.post("/v1/push", body, seen).await;
        let accepted = text.matches("\"accepted\"").count() as u64;
        assert_eq!(accepted, count, "{text}");
        seen.pushes.add(time);
        seen.accepted += accepted;
    }

    async fn pull(&mut self, seen: &mut Seen) {
        let body =
            json!({ "protocol": 1, "client": self.id, "schema": 1, "entities": ["task"], "cursors": self.cursor });
        let (time, text) = self.post("/v1/pull", body, seen).await;
        assert!(text.ends_with("{\"end\":{}}\n"));
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(cursor) = line["cursor"].as_object() {
                self.cursor = json!([{ "bucket": cursor["bucket"], "cursor": cursor["cursor"] }]);
            }
            seen.rows += line["rows"]["data"].as_array().map_or(0, Vec::len) as u64;
        }
        seen.pulls.add(time);
    }

    async fn live(mut self, until: Instant) -> Seen {
        let mut seen = Seen::default();
        // They do not come all at once.
        let mut pause = self.dice.below(THINK_MS.1);
        loop {
            let next = Instant::now() + Duration::from_millis(pause);
            if next > until {
                return seen;
            }
            tokio::time::sleep_until(next.into()).await;
            self.push(&mut seen).await;
            self.pull(&mut seen).await;
            pause = THINK_MS.0 + self.dice.below(THINK_MS.1 - THINK_MS.0);
        }
    }
}

pub(crate) async fn measure(place: &Place, count: usize, time: Duration) {
    let http = reqwest::Client::builder().no_gzip().no_brotli().build().unwrap();
    let start = Instant::now();
    let living: Vec<_> = (0..count)
        .map(|number| {
            let client = Client {
                http: http.clone(),
                url: place.url.clone(),
                team: number % TEAMS,
                id: Uuid::new_v4().to_string(),
                seq: 0,
                made: Vec::new(),
                cursor: json!([]),
                dice: Dice(number as u64 * 7919 + 1),
            };
            tokio::spawn(client.live(start + time))
        })
        .collect();
    let mut all = Seen::default();
    for client in living {
        let seen = client.await.unwrap();
        all.pushes.join(seen.pushes);
        all.pulls.join(seen.pulls);
        all.accepted += seen.accepted;
        all.rows += seen.rows;
        all.busy += seen.busy;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} clients, {seconds:.0} s: {:.0} accepted changes a second", all.accepted as f64 / seconds);
    all.pushes.print("push");
    all.pulls.print("pull");
    let each = all.rows as f64 / all.pulls.len().max(1) as f64;
    println!(
        "busy {} times; rows a pull: {each:.1}; peak memory of the server: {:.1} MiB",
        all.busy,
        figures::peak_mib(place.pid())
    );
}
