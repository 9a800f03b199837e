//! The endpoints, each a few lines between HTTP and the rules.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use whimbrel_protocol::{PROTOCOL_VERSION, Pong, ProblemCode, PullRequest, PushRequest};

use super::App;
use super::body::Json;
use super::ndjson;
use crate::fault::Fault;
use crate::model::User;
use crate::pull::Pull;
use crate::push;
use crate::storage::Storage;

/// Bytes of a ping's nonce, at most.
const NONCE_BYTES_MAX: usize = 128;

pub(super) async fn push<S: Storage>(
    State(app): State<App<S>>,
    user: User,
    Json(request): Json<PushRequest>,
) -> Result<Response, Fault> {
    let answer = push::push(app.storage.as_ref(), &app.entities, &user, &request, now_ms()).await?;
    app.hints.wake();
    tracing::info!(user = user.id, client = request.client, changes = request.changes.len(), "pushed");
    Ok(axum::Json(answer).into_response())
}

/// The clock, in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) async fn pull<S: Storage>(
    State(app): State<App<S>>,
    user: User,
    headers: HeaderMap,
    Json(request): Json<PullRequest>,
) -> Result<Response, Fault> {
    let pull = Pull::begin(Arc::clone(&app.storage), Arc::clone(&app.entities), &user, &request).await?;
    tracing::info!(user = user.id, client = request.client, entities = request.entities.len(), "pulling");
    Ok(ndjson::answer(pull, &headers))
}

#[derive(Deserialize)]
pub(super) struct Ping {
    nonce: String,
}

pub(super) async fn ping<S: Storage>(
    State(app): State<App<S>>,
    query: Result<Query<Ping>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Fault> {
    match query {
        Ok(Query(Ping { nonce })) if nonce.len() <= NONCE_BYTES_MAX => {
            let history = app.storage.head().await?.history;
            Ok(axum::Json(Pong { nonce, protocol: PROTOCOL_VERSION, history }).into_response())
        }
        _ => Err(Fault::new(ProblemCode::Malformed, format!("nonce is needed, of at most {NONCE_BYTES_MAX} bytes"))),
    }
}

pub(super) async fn health<S: Storage>(State(app): State<App<S>>) -> Result<Response, Fault> {
    app.storage.head().await?;
    Ok(axum::Json(json!({ "status": "ok" })).into_response())
}
