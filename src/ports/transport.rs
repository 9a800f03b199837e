//! The transport port: HTTP, as little of it as the protocol needs.

use crate::error::Result;

/// The methods the protocol uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`, with a JSON body.
    Post,
}

/// A request to our server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path below the server's base URL, for example `push`, with its query.
    pub path: String,
    /// The JSON body of a `POST`; empty for a `GET`.
    pub body: String,
    /// The same as [`Transport::pack`] made it, when there was time for that.
    pub packed: Option<Vec<u8>>,
    /// The bearer token, if there is one.
    pub token: Option<String>,
    /// The run that it belongs to, for the server's logs.
    pub run: Option<String>,
    /// Milliseconds until the answer's head must be there.
    pub timeout_ms: u32,
    /// Milliseconds that the body may stand still.
    pub idle_timeout_ms: u32,
}

/// An answer, its body still on the way.
pub struct Response<B> {
    /// The HTTP status.
    pub status: u16,
    /// The media type, lower case, without parameters; empty when there was none.
    pub content_type: String,
    /// `Retry-After` in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Whether the answer came after a redirect: a sign of a captive portal.
    pub redirected: bool,
    /// The body.
    pub body: B,
}

/// A body that arrives in pieces.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Body {
    /// The next piece, or `None` at the end.
    ///
    /// # Errors
    /// `protocol/truncated` when the connection broke, `network/timeout` when it stood still.
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>>;
}

/// A way to our server. Dropping a future or a body ends the request.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Transport {
    /// What a body is.
    type Body: Body;
    /// Sends a request and waits for the head of the answer. Every HTTP status is an `Ok`.
    ///
    /// # Errors
    /// `network/unreachable`, `network/timeout`.
    async fn send(&self, request: Request) -> Result<Response<Self::Body>>;
    /// A body as it would travel, made while something else is waited for; none where it travels as it is.
    async fn pack(&self, _body: &str) -> Option<Vec<u8>> {
        None
    }
}
