//! Servers that are not in this process, for the same worlds and the same judge: the judge reads a database in memory, which follows theirs.
//!
//! ```text
//! network ─► router ─► Outside: real servers on a real database
//!                │
//!                └► what they have written since ─► MemoryStorage ◄─ judge
//! ```
//! **Invariant:** what was written is followed before the answer goes back, so nobody knows of it before the judge does.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use whimbrel_server::{MemoryStorage, MemoryWrite};

/// The app of these worlds, for the configuration of a server; behind it there is nothing but `[[entity]]` and `[auth]`.
pub const CONFIGURATION: &str = include_str!("outside.toml");

/// An answer.
#[derive(Debug, Clone)]
pub struct Served {
    /// The status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The whole body.
    pub body: Vec<u8>,
}

/// The servers.
pub trait Outside: Send + Sync {
    /// Brings a request to one of them, and waits for all of the answer.
    fn serve(&self, method: &str, path: &str, token: Option<&str>, body: Vec<u8>) -> Served;

    /// What was written since the last call, in the order of versions.
    fn writes(&self) -> Vec<MemoryWrite>;

    /// The servers' own people write a number into the field `v` of a record, as if by SQL: a new one when it is not there and never was.
    fn write(&self, entity: &str, id: &str, number: i64);
}

/// A router that asks them.
pub(crate) fn router(outside: Arc<dyn Outside>, storage: MemoryStorage) -> Router {
    Router::new().fallback(move |request: Request| {
        let (outside, storage) = (Arc::clone(&outside), storage.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let served = outside.serve(parts.method.as_str(), path, token_of(&parts.headers), body);
            storage.follow(outside.writes());
            let answer = Response::builder().status(served.status).header("content-type", served.content_type);
            answer.body(Body::from(served.body)).map_err(|_| StatusCode::BAD_GATEWAY)
        }
    })
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}
