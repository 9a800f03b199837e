//! Errors of whole requests: RFC 9457 problem documents with a stable code.
//!
//! One table says everything that is fixed about a code, so server, engine and documentation cannot disagree.

use serde::{Deserialize, Serialize};

/// The body of every answer that is not 2xx, sent as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

impl Problem {
    /// The problem document of a code, with what was wrong this time.
    #[must_use]
    pub fn new(code: ProblemCode, detail: Option<String>) -> Self {
        Self {
            kind: format!("urn:whimbrel:problem:{}", code.as_str()),
            code,
            status: code.status(),
            title: code.title().to_owned(),
            detail,
            retryable: code.is_retryable(),
        }
    }
}

macro_rules! problem_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:literal, $title:literal, $retryable:literal;)+) => {
        /// The codes of [`Problem`]. They are public: never reworded, never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode { $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)+ }

        impl ProblemCode {
            /// Every code, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code's public form, `area/name`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status it is sent with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// One sentence for developers, the same every time.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// Whether the same request may succeed later, unchanged.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)+ }
            }
        }
    };
}

problem_codes! {
    /// The body is not JSON of the expected shape.
    Malformed = "request/malformed", 400, "The request is not of the expected shape.", false;
    /// A body, a change or a batch is over its limit.
    TooLarge = "request/too-large", 413, "The request is over a limit.", false;
    /// The content type is not `application/json`, or the content encoding is neither `gzip` nor `identity`.
    ContentType = "request/content-type", 415, "The body is neither plain nor gzip-compressed application/json.", false;
    /// No such endpoint.
    NotFound = "request/not-found", 404, "There is no such endpoint.", false;
    /// The endpoint does not take this method.
    Method = "request/method", 405, "The endpoint does not take this method.", false;
    /// The protocol version is not spoken here.
    UpgradeRequired = "protocol/upgrade-required", 426, "This protocol version is not spoken here.", false;
    /// No token, or one that is not valid (any more).
    Unauthenticated = "auth/unauthenticated", 401, "A valid bearer token is needed.", false;
    /// The token is valid, the request is not allowed to this user.
    Forbidden = "auth/forbidden", 403, "This user may not do this.", false;
    /// The client id, or the user it says it is of, is another one's than the token's.
    OtherUser = "auth/other-user", 403, "This client's store belongs to another user.", false;
    /// A `seq` was skipped, or more was acknowledged than was decided; the answer's `detail` names the last one known.
    Gap = "push/gap", 409, "The server misses changes before these.", false;
    /// A `seq` that was used before came with another change id, or one that was acknowledged came again.
    Fork = "push/fork", 409, "This client's history and the server's knowledge of it have parted.", false;
    /// A pull names an entity that the server does not have.
    UnknownEntity = "pull/unknown-entity", 404, "There is no such entity.", false;
    /// Come back after `Retry-After`. Sent with 503.
    Busy = "server/busy", 503, "The server is busy.", true;
    /// More requests than a user or a client may make. Come back after `Retry-After`.
    TooMany = "request/too-many", 429, "More requests than this user or client may make.", true;
    /// The request took too long to arrive.
    Timeout = "request/timeout", 408, "The request took too long to arrive.", true;
    /// A fault of the server. Details are in its log only.
    Internal = "server/internal", 500, "The server failed.", true;
    /// No row that the user sees refers to the attachment.
    AttachmentUnreferenced = "attachment/unreferenced", 404, "No row that this user sees refers to the attachment.", false;
    /// A row refers to the attachment, and nobody has uploaded all of it yet.
    AttachmentNotFound = "attachment/not-found", 404, "The attachment has not been uploaded yet.", true;
    /// A part does not begin where the last one ended; ask for the state.
    AttachmentOffset = "attachment/offset", 409, "The part does not begin where the last one ended.", false;
    /// The attachment is over the server's limit.
    AttachmentTooLarge = "attachment/too-large", 413, "The attachment is over the server's limit.", false;
    /// The range that was asked for is not in the attachment.
    AttachmentRange = "attachment/range", 416, "The range is not in the attachment.", false;
    /// What was uploaded is not what the address says; it was thrown away.
    AttachmentDamaged = "attachment/damaged", 422, "The content is not what its address says; it was thrown away.", false;
}
