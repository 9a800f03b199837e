//! As many accepted changes as there can be, in turns with plain INSERTs through the same triggers.

use std::time::Instant;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use uuid::Uuid;

use crate::clients::row;
use crate::figures::{self, median};
use crate::place::Place;

/// Changes of a push, rows of an INSERT and of its transaction.
const BATCH: usize = 500;
/// Rows of a round, of each of the two.
const ROWS: usize = 20_000;
/// Clients that push at once: while one waits for the disk, another's request is read.
const PUSHERS: usize = 4;

/// Bodies of pushes, made before the time is taken.
fn bodies(client: &str, count: usize) -> Vec<String> {
    let batches = (0..count).map(|batch| {
        let changes: Vec<Value> = (0..BATCH)
            .map(|place| {
                let number = batch * BATCH + place;
                json!({ "seq": number + 1, "change": Uuid::new_v4().to_string(), "entity": "bulk",
                    "id": Uuid::new_v4().to_string(), "op": "create", "set": row(0, number), "at": 1 })
            })
            .collect();
        let ack = batch * BATCH;
        json!({ "protocol": 1, "client": client, "schema": 1, "ack": ack, "changes": changes }).to_string()
    });
    batches.collect()
}

async fn pushes(place: &Place, http: &reqwest::Client) -> f64 {
    let prepared: Vec<Vec<String>> =
        (0..PUSHERS).map(|_| bodies(&Uuid::new_v4().to_string(), ROWS / BATCH / PUSHERS)).collect();
    let start = Instant::now();
    let running: Vec<_> = prepared
        .into_iter()
        .map(|bodies| {
            let (http, url) = (http.clone(), format!("{}/v1/push", place.url));
            tokio::spawn(async move {
                for body in bodies {
                    let request =
                        http.post(&url).bearer_auth("t0").header("content-type", "application/json").body(body);
                    let text = request.send().await.unwrap().text().await.unwrap();
                    assert_eq!(text.matches("\"accepted\"").count(), BATCH, "{text:.300}");
                }
            })
        })
        .collect();
    for pusher in running {
        pusher.await.unwrap();
    }
    ROWS as f64 / start.elapsed().as_secs_f64()
}

/// The statements of the same rows, made before the time is taken.
fn statements() -> Vec<String> {
    let text = |value: &Value| format!("'{}'", value.as_str().unwrap());
    let batches = (0..ROWS / BATCH).map(|batch| {
        let rows: Vec<String> = (0..BATCH)
            .map(|place| {
                let row = row(0, batch * BATCH + place);
                let values = [text(&row["title"]), text(&row["team"]), text(&row["body"])].join(", ");
                format!("('{}', {values}, {}, false)", Uuid::new_v4(), row["count"])
            })
            .collect();
        format!("INSERT INTO bulk (id, title, team, body, count, done) VALUES {}", rows.join(", "))
    });
    batches.collect()
}

async fn inserts(place: &Place) -> f64 {
    let statements = statements();
    let start;
    if let Some(url) = place.postgres() {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        start = Instant::now();
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
    } else {
        let options = SqliteConnectOptions::new().filename(place.file()).journal_mode(SqliteJournalMode::Wal);
        let options = options.synchronous(SqliteSynchronous::Full).pragma("cache_size", "-32768");
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        start = Instant::now();
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
    }
    ROWS as f64 / start.elapsed().as_secs_f64()
}

pub(crate) async fn measure(place: &Place, rounds: usize) {
    let http = reqwest::Client::builder().no_gzip().no_brotli().build().unwrap();
    // What is prepared once is prepared now.
    pushes(place, &http).await;
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let (pushed, inserted) = (pushes(place, &http).await, inserts(place).await);
        println!("pushed {pushed:.0} a second, inserted {inserted:.0}: {:.2}", pushed / inserted);
        ratios.push(pushed / inserted);
    }
    if !ratios.is_empty() {
        let ratio = median(&mut ratios);
        let verdict = if ratio >= 0.5 { "reached" } else { "**not reached**" };
        println!(
            "accepted changes a second, of plain batched inserts through the same triggers: {ratio:.2}, at least 0.5: \
             {verdict}; peak memory of the server {:.1} MiB; {}",
            figures::peak_mib(place.pid()),
            figures::load_average()
        );
    }
}
