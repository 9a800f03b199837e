//! An answer, and what is asked of any answer.

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::check::{Checked, Verdict, broken, holds, same};

/// The codes of problems with their status and whether the same request may succeed later, as PROTOCOL.md's table has them.
const PROBLEMS: &[(&str, u16, bool)] = &[
    ("request/malformed", 400, false),
    ("request/too-large", 413, false),
    ("request/content-type", 415, false),
    ("request/not-found", 404, false),
    ("request/method", 405, false),
    ("protocol/upgrade-required", 426, false),
    ("auth/unauthenticated", 401, false),
    ("auth/forbidden", 403, false),
    ("auth/other-user", 403, false),
    ("push/gap", 409, false),
    ("push/fork", 409, false),
    ("pull/unknown-entity", 404, false),
    ("attachment/unreferenced", 404, false),
    ("attachment/not-found", 404, true),
    ("attachment/offset", 409, false),
    ("attachment/too-large", 413, false),
    ("attachment/range", 416, false),
    ("attachment/damaged", 422, false),
    ("server/busy", 503, true),
    ("server/internal", 500, true),
];

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's text; empty when it is not there.
    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Checked<Value> {
        serde_json::from_slice(&self.body).or_else(|error| broken(format!("the body is no JSON: {error}")))
    }

    /// It is a success of that kind, and not to be cached.
    pub(crate) fn is_success(&self, kind: &str) -> Verdict {
        holds(self.status == 200, format!("the status is {}, and should be 200", self.status))?;
        self.is_of(kind)
    }

    fn is_of(&self, kind: &str) -> Verdict {
        let found = self.header(CONTENT_TYPE);
        let media = found.split(';').next().unwrap_or_default().trim();
        holds(media.eq_ignore_ascii_case(kind), format!("the content type is {found:?}, and should be {kind}"))?;
        let cache = self.header(CACHE_CONTROL);
        holds(cache.contains("no-store"), format!("Cache-Control is {cache:?}, and should be no-store"))
    }

    /// It is the problem of that code, whole.
    pub(crate) fn is_problem(&self, code: &str) -> Verdict {
        let known = PROBLEMS.iter().find(|(known, ..)| *known == code);
        let Some((_, status, retryable)) = known else { return broken(format!("{code} is no code of the protocol")) };
        holds(self.status == *status, format!("the status is {}, and should be {status} ({code})", self.status))?;
        self.is_of("application/problem+json")?;
        let problem = self.json()?;
        same("code", &problem["code"], code)?;
        same("type", &problem["type"], format!("urn:whimbrel:problem:{code}"))?;
        same("status in the problem", &problem["status"], *status)?;
        same("retryable", &problem["retryable"], *retryable)?;
        holds(problem["title"].is_string(), "the problem has no title")
    }
}
