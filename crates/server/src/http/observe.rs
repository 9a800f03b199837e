//! What is noted of every request: a name for it, how it ended, how long it took.
//!
//! **Invariant:** of what a client sends, only short plain names get into the log as they are.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;
use whimbrel_protocol::ProblemCode;

use super::App;
use super::body::within;
use crate::fault::Fault;
use crate::storage::Storage;

/// The name of a request: the client's or a proxy's, or one of ours; the answer has it too.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The name of the client's run that a request belongs to, if it says one.
pub(super) const RUN: HeaderName = HeaderName::from_static("whimbrel-run");
/// Characters of a name, at most.
const NAME_MAX: usize = 64;
/// How long the answer's head may take behind the body: far more than the database's own limits come to.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) async fn observe<S: Storage>(State(app): State<App<S>>, request: Request, next: Next) -> Response {
    let id = name(request.headers(), &REQUEST_ID).unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let run = name(request.headers(), &RUN);
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id, run, realm = Empty, method, route);
    let began = Instant::now();
    let answering = within(app.body_timeout.map(|body| body + ANSWER_TIMEOUT), next.run(request));
    let mut response = answering.instrument(span.clone()).await.unwrap_or_else(|| {
        let _span = span.enter();
        Fault::new(ProblemCode::Busy, "it took too long").into_response()
    });
    let took = began.elapsed();
    let status = response.status().as_u16();
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(status, ms, "answered"));
    if let Some(metrics) = &app.metrics {
        metrics.answered(method, &route, status, took);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn name(headers: &HeaderMap, header: &HeaderName) -> Option<String> {
    let text = headers.get(header)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    ((1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_plain)).then(|| text.to_owned())
}

/// Methods that nobody answers are one.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        let of = |text: &'static str| {
            name(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(text))]), &REQUEST_ID)
        };
        assert_eq!(of("0190c0de-1:7_a.b").as_deref(), Some("0190c0de-1:7_a.b"));
        let long = "x".repeat(65).leak();
        for odd in ["", "a b", "a\tb", "{\"a\":1}", long] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
