//! The wire types of the Whimbrel sync protocol, version 1: JSON over HTTP.
//!
//! Both sides compile this crate, so the two cannot drift. It holds shapes and limits, and no
//! behaviour but how the id of a pair is made. `docs/PROTOCOL.md` is the contract in prose; `tests/golden.rs` pins every shape.

mod attachment;
mod json;
mod limits;
#[cfg(feature = "openapi")]
mod openapi;
mod pair;
mod problem;
mod pull;
mod push;

pub use attachment::*;
pub use json::{Fields, Json, Number};
pub use limits::*;
pub use pair::pair_id;
pub use problem::{Problem, ProblemCode};
pub use pull::{BucketCursor, BucketInfo, Gone, PullLine, PullRequest, RowBatch, Stand, Start};
pub use push::{Change, ChangeOutcome, Op, Outcome, PushRequest, PushResponse, ServerRow};

use serde::{Deserialize, Serialize};

/// The protocol version that this crate speaks. A request with another one is answered with
/// [`ProblemCode::UpgradeRequired`].
pub const PROTOCOL_VERSION: u32 = 1;

/// A row's version: the number of the server's commit that last changed it. Versions grow in commit
/// order, start at 1 and stay below 2⁵³, so JavaScript can hold them.
pub type Version = u64;

/// The answer to `GET /v1/ping?nonce=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pong {
    /// The request's nonce, echoed: proof that our server answered and not a captive portal or a cache.
    pub nonce: String,
    /// The protocol version the server speaks.
    pub protocol: u32,
    /// The identity of the server's history; it changes when the server is restored from a backup.
    pub history: String,
}
