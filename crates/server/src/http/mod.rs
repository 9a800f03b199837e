//! HTTP: from requests to the rules and back. No decisions here but those of HTTP.
//!
//! ```text
//! POST /v1/push   JSON, answered with JSON          GET /v1/ping?nonce=   is it really our server?
//! POST /v1/pull   JSON, answered with NDJSON        GET /health           can it reach its database?
//! GET  /v1/events server-sent hints                 GET /metrics          the server's figures
//! GET  /…         an app's files, when there are any
//!
//! GET  /v1/openapi.json                             all of this, for machines
//! GET, PATCH /v1/attachments/{address}              GET /v1/attachments/{address}/state
//! ```
//!
//! **Invariant:** who asks is known before the body is read, and the body's size before it is parsed.
//! **Invariant:** what is asked for is looked for in the realm of whoever asks, and nowhere else.
//! **Invariant:** every answer that is not a success is a problem document with a code.

mod attachments;
mod auth;
mod body;
mod cors;
mod endpoints;
mod events;
mod metrics;
mod ndjson;
mod observe;
mod openapi;
mod problem;
mod query;
mod rate;
mod realms;
mod static_files;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use whimbrel_protocol::ProblemCode;

pub use self::events::Hints;
use self::metrics::Metrics;
use self::rate::Rates;
pub use self::realms::{RealmError, Realms};
use crate::attachments::{AttachmentStore, FolderAttachments};
use crate::auth::Auth;
use crate::config::{Config, Sizes};
use crate::fault::Fault;
use crate::hooks::Hooks;
use crate::model::Entities;
use crate::storage::Storage;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App<S> {
    realms: Arc<Realms<S>>,
    entities: Arc<Entities>,
    auth: Arc<Auth>,
    scopes_sql: Option<Arc<str>>,
    hooks: Hooks,
    attachment_bytes_max: u64,
    metrics: Option<Arc<Metrics>>,
    user_rates: Arc<Rates>,
    client_rates: Arc<Rates>,
    body_timeout: Option<Duration>,
    sizes: Sizes,
}

impl<S> Clone for App<S> {
    fn clone(&self) -> Self {
        Self {
            realms: Arc::clone(&self.realms),
            entities: Arc::clone(&self.entities),
            auth: Arc::clone(&self.auth),
            scopes_sql: self.scopes_sql.clone(),
            hooks: self.hooks.clone(),
            attachment_bytes_max: self.attachment_bytes_max,
            metrics: self.metrics.clone(),
            user_rates: Arc::clone(&self.user_rates),
            client_rates: Arc::clone(&self.client_rates),
            body_timeout: self.body_timeout,
            sizes: self.sizes,
        }
    }
}

/// The server as a router: the sync endpoints, and the app's files when the configuration names a folder. Attachments are files, too.
///
/// `hints` is what wakes the listeners of `/v1/events`; whoever runs the router decides how it follows the storage.
pub fn router<S: Storage>(config: &Config, storage: Arc<S>, hints: Hints) -> Router {
    let attachments = FolderAttachments::new(config.attachments_folder());
    router_with(config, storage, hints, Arc::new(attachments))
}

/// The same with attachments that are kept elsewhere.
pub fn router_with<S: Storage>(
    config: &Config,
    storage: Arc<S>,
    hints: Hints,
    attachments: Arc<dyn AttachmentStore>,
) -> Router {
    router_with_hooks(config, storage, hints, attachments, Hooks::default())
}

/// The same with hooks of an app.
pub fn router_with_hooks<S: Storage>(
    config: &Config,
    storage: Arc<S>,
    hints: Hints,
    attachments: Arc<dyn AttachmentStore>,
    hooks: Hooks,
) -> Router {
    router_of_realms(config, Arc::new(Realms::one(storage, hints, attachments)), hooks)
}

/// The same with several databases, of which a token's realm says one. Each realm must be one that tokens of the configuration can be for.
pub fn router_of_realms<S: Storage>(config: &Config, realms: Arc<Realms<S>>, hooks: Hooks) -> Router {
    let app = App {
        realms,
        entities: Arc::new(config.entities.clone()),
        auth: Arc::new(Auth::new(config.tokens.clone(), &config.issuers)),
        scopes_sql: config.scopes_sql.as_deref().map(Arc::from),
        hooks,
        attachment_bytes_max: config.attachments.max_bytes,
        metrics: config.edge.metrics_token.as_deref().map(|token| Arc::new(Metrics::new(token))),
        user_rates: Arc::new(Rates::new("user", config.edge.user_rate)),
        client_rates: Arc::new(Rates::new("client", config.edge.client_rate)),
        body_timeout: config.edge.body_timeout,
        sizes: config.edge.sizes,
    };
    let sync = Router::new()
        .route("/v1/push", post(endpoints::push::<S>))
        .route("/v1/pull", post(endpoints::pull::<S>))
        .route("/v1/ping", get(endpoints::ping::<S>))
        .route("/v1/events", get(events::events::<S>))
        .route("/v1/openapi.json", get(openapi::document))
        .route("/health", get(endpoints::health::<S>))
        .route("/metrics", get(metrics::metrics::<S>))
        .method_not_allowed_fallback(async || Fault::new(ProblemCode::Method, "see docs/PROTOCOL.md"))
        .layer(no_store());
    let router = match config.static_files.as_deref() {
        Some(folder) => with_files(sync, folder),
        None => sync.fallback(problem::not_found),
    };
    // Parts and contents go as they are: a range of a compressed content is of no use.
    let attachments = Router::new()
        .route("/v1/attachments/{address}", get(attachments::content::<S>).patch(attachments::part::<S>))
        .route("/v1/attachments/{address}/state", get(attachments::state::<S>))
        .method_not_allowed_fallback(async || Fault::new(ProblemCode::Method, "see docs/PROTOCOL.md"))
        .layer(no_store());
    let router = router
        .layer(CompressionLayer::new())
        .merge(attachments)
        .layer(from_fn_with_state(app.clone(), observe::observe::<S>))
        .with_state(app)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    // Outermost: a page reads why it was refused only when that answer names its origin, too.
    match cors::layer(&config.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Answers of the protocol are of the moment and of one user; no cache may keep them.
fn no_store() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

fn with_files<S: Storage>(sync: Router<App<S>>, folder: &Path) -> Router<App<S>> {
    let files = static_files::StaticFiles::new(folder);
    sync.fallback(move |request| async move { files.answer(request).await })
}
