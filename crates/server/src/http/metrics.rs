//! `GET /metrics`: the server's figures, for Prometheus, to whoever has the token of the configuration.
//!
//! **Invariant:** without that token in the configuration nothing is counted, and there is no such path.
//! **Invariant:** labels are few and known: routes, statuses, outcomes, pools, realms of the configuration. Nothing that a client says is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use sha2::{Digest, Sha256};
use whimbrel_protocol::{Outcome, PullLine, PushResponse};

use super::openapi::Problems;
use super::realms::Realm;
use super::{App, problem};
use crate::auth::Refusal;
use crate::fault::Fault;
use crate::storage::{Storage, StorageResult};

/// Seconds, from a request that found all in memory to one that waited as long as it may.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Measurements are put together after so many requests, so that they do not pile up when nobody asks.
const UPKEEP_EVERY: u64 = 1_000;
const TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const ABOUT: Metadata<'static> = Metadata::new("whimbrel", Level::INFO, None);

const REQUESTS: &str = "whimbrel_requests_total";
const REQUEST_SECONDS: &str = "whimbrel_request_seconds";
const PUSH_CHANGES: &str = "whimbrel_push_changes_total";
const PULL_ROWS: &str = "whimbrel_pull_rows_total";
const PULL_REMOVALS: &str = "whimbrel_pull_removals_total";
const PULL_SECONDS: &str = "whimbrel_pull_seconds";
const PULLS: &str = "whimbrel_pulls_open";
const EVENTS: &str = "whimbrel_event_streams_open";
const VERSION: &str = "whimbrel_version";
const HORIZON: &str = "whimbrel_horizon";
const STORED: &str = "whimbrel_stored_bytes";
const CONNECTIONS: &str = "whimbrel_connections_open";
const REALM_UP: &str = "whimbrel_database_up";
const CONNECTIONS_IDLE: &str = "whimbrel_connections_idle";

/// The figures of a server.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    token: [u8; 32],
    requests: AtomicU64,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    pub(super) fn new(token: &str) -> Self {
        let builder = PrometheusBuilder::new();
        // They are not empty, so they can be used.
        let builder = builder.set_buckets(&BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        for (name, about) in [
            (REQUESTS, "Requests answered"),
            (PUSH_CHANGES, "Changes pushed, by what became of them"),
            (PULL_ROWS, "Rows sent"),
            (PULL_REMOVALS, "Removals sent"),
        ] {
            recorder.describe_counter(name.into(), None, about.into());
        }
        for (name, about) in [
            (PULLS, "Answers to pulls on their way"),
            (EVENTS, "Streams of hints open"),
            (VERSION, "The version of the last change"),
            (HORIZON, "The version up to which removals are forgotten"),
            (STORED, "Bytes of the SQLite file, or of the change log on PostgreSQL"),
            (REALM_UP, "Whether the database can be reached"),
            (CONNECTIONS, "Connections to the database"),
            (CONNECTIONS_IDLE, "Those of them that nobody uses"),
        ] {
            recorder.describe_gauge(name.into(), None, about.into());
        }
        let seconds = Some(Unit::Seconds);
        recorder.describe_histogram(REQUEST_SECONDS.into(), seconds, "Until the head of the answer".into());
        recorder.describe_histogram(PULL_SECONDS.into(), seconds, "Until the end of the answer to a pull".into());
        Self { recorder, handle, token: Sha256::digest(token).into(), requests: AtomicU64::new(0) }
    }

    fn counter(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        self.recorder.register_counter(&Key::from_parts(name, labels), &ABOUT)
    }

    fn gauge(&self, name: &'static str, labels: Vec<Label>) -> Gauge {
        self.recorder.register_gauge(&Key::from_parts(name, labels), &ABOUT)
    }

    fn histogram(&self, name: &'static str, labels: Vec<Label>) -> Histogram {
        self.recorder.register_histogram(&Key::from_parts(name, labels), &ABOUT)
    }

    pub(super) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = Label::new("route", route.to_owned());
        let labels = vec![Label::new("method", method), route.clone(), Label::new("status", status.to_string())];
        self.counter(REQUESTS, labels).increment(1);
        self.histogram(REQUEST_SECONDS, vec![route]).record(took.as_secs_f64());
        if self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(UPKEEP_EVERY) {
            self.handle.run_upkeep();
        }
    }

    pub(super) fn pushed(&self, answer: &PushResponse, realm: Option<&str>) {
        for change in &answer.outcomes {
            let outcome = match change.outcome {
                Outcome::Accepted { .. } => "accepted",
                Outcome::Duplicate { .. } => "duplicate",
                Outcome::Conflict { .. } => "conflict",
                Outcome::Superseded { .. } => "superseded",
                Outcome::Rejected { .. } => "rejected",
                Outcome::Retry { .. } => "retry",
            };
            let labels = [Label::new("outcome", outcome)].into_iter().chain(of_realm(realm));
            self.counter(PUSH_CHANGES, labels.collect()).increment(1);
        }
    }
}

/// Something that is open as long as it is there.
pub(super) struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }

    /// A stream of hints.
    pub(super) fn events(metrics: Option<&Arc<Metrics>>, realm: Option<&str>) -> Option<Self> {
        metrics.map(|metrics| Self::new(metrics.gauge(EVENTS, of_realm(realm))))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// An answer to a pull, as it is counted.
pub(super) struct Sending {
    metrics: Arc<Metrics>,
    labels: Vec<Label>,
    began: Instant,
    _open: Open,
}

impl Sending {
    pub(super) fn begin(metrics: Option<&Arc<Metrics>>, realm: Option<&str>) -> Option<Self> {
        let metrics = Arc::clone(metrics?);
        let labels = of_realm(realm);
        let open = Open::new(metrics.gauge(PULLS, labels.clone()));
        Some(Self { metrics, labels, began: Instant::now(), _open: open })
    }

    pub(super) fn sent(&self, line: &PullLine) {
        let (name, count) = match line {
            PullLine::Rows(batch) => (PULL_ROWS, batch.data.len()),
            PullLine::Gone(gone) => (PULL_REMOVALS, gone.rows.len()),
            _ => return,
        };
        self.metrics.counter(name, self.labels.clone()).increment(count as u64);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let labels = std::mem::take(&mut self.labels);
        self.metrics.histogram(PULL_SECONDS, labels).record(self.began.elapsed().as_secs_f64());
    }
}

/// The server's figures, for Prometheus. With the token of the configuration; without one there is nothing here.
#[utoipa::path(
    get, path = "/metrics", tag = "server", security(("metrics" = [])),
    responses((status = 200, description = "The text format 0.0.4.", body = String, content_type = "text/plain"), Problems)
)]
pub(super) async fn metrics<S: Storage>(
    State(app): State<App<S>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Some(metrics) = &app.metrics else { return Err(problem::not_found(uri).await) };
    let given = headers.get(header::AUTHORIZATION).ok_or(Refusal::Missing)?.to_str().ok();
    let given = given.and_then(|text| text.strip_prefix("Bearer ")).ok_or(Refusal::NotBearer)?;
    // Digests are compared, so how long it takes says nothing of the token.
    if <[u8; 32]>::from(Sha256::digest(given)) != metrics.token {
        return Err(Refusal::Unknown.into());
    }
    let looks = app.realms.iter().map(async |realm| {
        let looked = look(metrics, realm).await;
        metrics.gauge(REALM_UP, of_realm(realm.name())).set(if looked.is_ok() { 1.0 } else { 0.0 });
        looked
    });
    let looks = join_all(looks).await;
    // What of one realm can be read is worth reading. Where there is only one, what went wrong is told.
    if app.realms.only().is_some() {
        looks.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(([(header::CONTENT_TYPE, TYPE)], metrics.handle.render()).into_response())
}

/// The label of a realm. There are as many as the configuration names.
fn of_realm(realm: Option<&str>) -> Vec<Label> {
    realm.map(|realm| Label::new("realm", realm.to_owned())).into_iter().collect()
}

/// Takes down what a database says of itself.
async fn look<S: Storage>(metrics: &Metrics, realm: &Realm<S>) -> StorageResult<()> {
    let storage = realm.storage()?;
    let (head, figures) = (storage.head().await?, storage.figures().await?);
    let labels = of_realm(realm.name());
    let set = |name, more: Option<Label>, value: u64| {
        metrics.gauge(name, labels.iter().cloned().chain(more).collect()).set(as_real(value));
    };
    set(VERSION, None, head.version);
    set(HORIZON, None, head.horizon);
    set(STORED, None, figures.stored_bytes);
    for (pool, open, idle) in figures.pools {
        let pool = Some(Label::new("pool", pool));
        set(CONNECTIONS, pool.clone(), u64::from(open));
        set(CONNECTIONS_IDLE, pool, idle as u64);
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "all below 2⁵³")]
const fn as_real(number: u64) -> f64 {
    number as f64
}
