//! Errors of whole requests: RFC 9457 problem documents with a stable code.

use serde::{Deserialize, Serialize};

/// The body of every answer that is not 2xx, sent as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:whimbrel:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The stable code.
    pub code: ProblemCode,
    /// The HTTP status, repeated.
    pub status: u16,
    /// One sentence for developers.
    pub title: String,
    /// What was wrong with this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// The codes of [`Problem`]. They are public: never reworded, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProblemCode {
    /// 400: the body is not JSON of the expected shape.
    #[serde(rename = "request/malformed")]
    Malformed,
    /// 413: a body, a change or a batch is over its limit.
    #[serde(rename = "request/too-large")]
    TooLarge,
    /// 415: the content type is not `application/json`.
    #[serde(rename = "request/content-type")]
    ContentType,
    /// 404: no such endpoint.
    #[serde(rename = "request/not-found")]
    NotFound,
    /// 405: the endpoint does not take this method.
    #[serde(rename = "request/method")]
    Method,
    /// 426: the protocol version is not spoken here.
    #[serde(rename = "protocol/upgrade-required")]
    UpgradeRequired,
    /// 401: no token, or one that is not valid (any more).
    #[serde(rename = "auth/unauthenticated")]
    Unauthenticated,
    /// 403: the token is valid, the request is not allowed to this user.
    #[serde(rename = "auth/forbidden")]
    Forbidden,
    /// 409: a `seq` was skipped; the answer's `detail` names the last one known.
    #[serde(rename = "push/gap")]
    Gap,
    /// 409: a `seq` that was used before came with another change id.
    #[serde(rename = "push/fork")]
    Fork,
    /// 404: a pull names an entity that the server does not have.
    #[serde(rename = "pull/unknown-entity")]
    UnknownEntity,
    /// 429 or 503: come back after `Retry-After`.
    #[serde(rename = "server/busy")]
    Busy,
    /// 500: a fault of the server. Details are in its log only.
    #[serde(rename = "server/internal")]
    Internal,
}
