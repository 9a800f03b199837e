//! The endpoints, each a few lines between HTTP and the rules.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequestParts as _, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde::Deserialize;
use whimbrel_protocol::{PROTOCOL_VERSION, Pong, ProblemCode, PullLine, PullRequest, PushRequest, PushResponse};

use super::App;
use super::auth::Caller;
use super::body::Json;
use super::metrics::Sending;
use super::ndjson;
use super::openapi::{Health, Problems};
use super::query;
use crate::fault::Fault;
use crate::pull::Pull;
use crate::push::{self, Rules};
use crate::storage::Storage;

/// Bytes of a ping's nonce, at most.
const NONCE_BYTES_MAX: usize = 128;

/// Applies changes, in the order they were made, exactly once.
#[utoipa::path(
    post, path = "/v1/push", tag = "sync", security(("token" = [])),
    request_body(content = PushRequest, description = "At most 1 MiB, or 8 MiB after decompression; gzip is understood."),
    responses(
        (status = 200, description = "Durable: effects, outcomes and `last_seq`.", body = PushResponse),
        Problems,
    )
)]
pub(super) async fn push<S: Storage>(
    State(app): State<App<S>>,
    Caller { user, realm, storage, .. }: Caller<S>,
    Json(request): Json<PushRequest>,
) -> Result<Response, Fault> {
    let rules = Rules { entities: &app.entities, hooks: &app.hooks, sizes: &app.sizes };
    let answer = push::push(storage.as_ref(), rules, &user, &request, now_ms()).await?;
    realm.hints.wake();
    if let Some(metrics) = &app.metrics {
        metrics.pushed(&answer, realm.name());
    }
    tracing::info!(user = user.id, client = request.client, changes = request.changes.len(), "pushed");
    Ok(axum::Json(answer).into_response())
}

/// The clock, in milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Brings what has changed since the cursors.
#[utoipa::path(
    post, path = "/v1/pull", tag = "sync", security(("token" = [])),
    request_body = PullRequest,
    responses(
        (status = 200, content_type = "application/x-ndjson", body = PullLine,
         description = "One `PullLine` a line: `start ( resync? ( rows | gone )* cursor )* ( end | error )`. Without `end` it was cut off."),
        Problems,
    )
)]
pub(super) async fn pull<S: Storage>(
    State(app): State<App<S>>,
    Caller { user, realm, storage, .. }: Caller<S>,
    headers: HeaderMap,
    Json(request): Json<PullRequest>,
) -> Result<Response, Fault> {
    let pull = Pull::begin(storage.as_ref(), Arc::clone(&app.entities), &user, &request).await?;
    tracing::info!(user = user.id, client = request.client, entities = request.entities.len(), "pulling");
    Ok(ndjson::answer(pull, &headers, Sending::begin(app.metrics.as_ref(), realm.name())))
}

#[derive(Deserialize)]
pub(super) struct Ping {
    nonce: String,
}

/// Is this really the server? Its answer has the nonce.
#[utoipa::path(
    get, path = "/v1/ping", tag = "server",
    params(("nonce" = String, Query, description = "At most 128 bytes.", max_length = 128)),
    responses((status = 200, description = "Neither a cache nor a captive portal answered.", body = Pong), Problems)
)]
pub(super) async fn ping<S: Storage>(State(app): State<App<S>>, mut parts: Parts) -> Result<Response, Fault> {
    match query::read(&parts.uri) {
        Some(Ping { nonce }) if nonce.len() <= NONCE_BYTES_MAX => {
            let storage = match app.realms.only() {
                Some(only) => Some(Arc::clone(only.storage()?)),
                // Of realms there are several, and whoever has no token is told of none.
                None => Caller::from_request_parts(&mut parts, &app).await.ok().map(|caller| caller.storage),
            };
            let history = match storage {
                Some(storage) => storage.head().await?.history,
                None => String::new(),
            };
            Ok(axum::Json(Pong { nonce, protocol: PROTOCOL_VERSION, history }).into_response())
        }
        _ => Err(Fault::new(
            ProblemCode::Malformed,
            format!("nonce is needed, a text of at most {NONCE_BYTES_MAX} bytes"),
        )),
    }
}

/// Can it reach its database? Of the databases of several realms it says `ok` when all can be reached, `degraded` when some can, and not which.
#[utoipa::path(
    get, path = "/health", tag = "server",
    responses((status = 200, description = "It can.", body = Health), Problems)
)]
pub(super) async fn health<S: Storage>(State(app): State<App<S>>) -> Result<Response, Fault> {
    let looks = join_all(app.realms.iter().map(async |realm| realm.storage()?.head().await)).await;
    let (reached, failed): (Vec<_>, Vec<_>) = looks.into_iter().partition(Result::is_ok);
    match failed.into_iter().next() {
        // Whoever can be served goes on being served: a probe that fails would take the server away from all.
        Some(Err(failed)) if reached.is_empty() => Err(failed.into()),
        Some(_) => Ok(axum::Json(Health { status: "degraded" }).into_response()),
        None => Ok(axum::Json(Health { status: "ok" }).into_response()),
    }
}
