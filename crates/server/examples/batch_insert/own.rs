//! As the server does it: pushes, without a device and without a network.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;
use whimbrel_server::{Database as _, Entity, Hints, SqliteStorage, router};

use super::{ENTITY, Row, Task};

/// Of the bench's configuration.
const TOKEN: &str = "bench";
/// When the changes were written; the server takes them as they are.
const WRITTEN_AT: i64 = 1_767_225_600_000;

pub(super) async fn insert(
    Task { config, entity, database, rows, batch }: Task<'_>,
) -> Result<Duration, Box<dyn Error>> {
    let storage = Arc::new(SqliteStorage::open(database, &config.entities).await?);
    let router = router(config, Arc::clone(&storage), Hints::default());
    let client = Uuid::new_v4().to_string();
    let bodies: Vec<String> =
        (0..rows.len()).step_by(batch).map(|from| body(&client, entity, rows, from, batch)).collect();
    let start = Instant::now();
    for body in bodies {
        let request = Request::post("/v1/push")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Body::from(body))?;
        let response = router.clone().oneshot(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into());
        }
        check(&serde_json::from_slice(&answer)?)?;
    }
    let took = start.elapsed();
    storage.close().await?;
    Ok(took)
}

/// The request that a device would make of these rows.
fn body(client: &str, entity: &Entity, rows: &[Row], from: usize, batch: usize) -> String {
    let some = rows.iter().enumerate().skip(from).take(batch);
    let changes: Vec<Value> = some
        .map(|(place, row)| {
            let names = entity.fields.iter().map(|field| field.name.to_string());
            let set: Map<String, Value> = names.zip(row.iter().skip(1).cloned()).collect();
            let change = Uuid::new_v4().to_string();
            json!({"seq": place + 1, "change": change, "entity": ENTITY, "id": row.first(), "op": "create", "set": set, "at": WRITTEN_AT})
        })
        .collect();
    json!({"protocol": 1, "client": client, "schema": 1, "ack": from, "changes": changes}).to_string()
}

/// Everything was accepted, or there is nothing to compare with.
fn check(answer: &Value) -> Result<(), Box<dyn Error>> {
    let outcomes = answer.get("outcomes").and_then(Value::as_array).ok_or("an answer without outcomes")?;
    match outcomes.iter().find(|outcome| outcome.get("outcome").and_then(Value::as_str) != Some("accepted")) {
        Some(other) => Err(format!("not accepted: {other}").into()),
        None => Ok(()),
    }
}
