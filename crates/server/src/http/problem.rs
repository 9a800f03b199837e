//! Faults as HTTP answers: RFC 9457 problem documents.

use std::any::Any;

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use whimbrel_protocol::{Problem, ProblemCode};

use crate::auth::Refusal;
use crate::fault::Fault;

/// Seconds after which a busy server may be asked again, and whoever asked too often: after one, at least one request is theirs again.
const RETRY_AFTER_S: &str = "1";

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let problem = self.to_problem();
        if problem.status >= 500 {
            tracing::error!(code = problem.code.as_str(), error = %self, "a request failed");
        } else {
            tracing::debug!(code = problem.code.as_str(), error = %self, "a request was refused");
        }
        answer(&problem)
    }
}

fn answer(problem: &Problem) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match problem.code {
        ProblemCode::Unauthenticated => {
            _ = headers.insert(header::WWW_AUTHENTICATE, challenge(problem.detail.as_deref()));
        }
        ProblemCode::Busy | ProblemCode::TooMany => {
            _ = headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S))
        }
        _ => {}
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // A document of strings and numbers can always be written; an empty body still has its status.
    (status, headers, serde_json::to_vec(problem).unwrap_or_default()).into_response()
}

/// RFC 6750, 3: who came without a token is only told that one is needed.
fn challenge(detail: Option<&str>) -> HeaderValue {
    let refused = detail.filter(|detail| *detail != Refusal::Missing.to_string() && !detail.contains(['"', '\\']));
    refused
        .and_then(|why| {
            HeaderValue::from_str(&format!("Bearer error=\"invalid_token\", error_description=\"{why}\"")).ok()
        })
        .unwrap_or(HeaderValue::from_static("Bearer"))
}

pub(super) async fn not_found(uri: Uri) -> Fault {
    Fault::new(ProblemCode::NotFound, format!("there is nothing at {}", uri.path()))
}

pub(super) fn panicked(_cause: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request handler panicked; this is a fault of the server");
    answer(&Problem::new(ProblemCode::Internal, None))
}
