//! `POST /v1/pull`: what has changed since the cursors, as a stream of lines (NDJSON).
//!
//! ```text
//! start, then per bucket: (resync? (rows | gone)* cursor)*, then end | error
//! ```
//!
//! **Invariant:** a `cursor` line covers every line of its bucket before it. A client that commits the rows
//! and the cursor together can stop anywhere and go on from there; an answer without `end` was cut off.

use serde::{Deserialize, Serialize};

use crate::{Json, Problem, Version};

/// The body of `POST /v1/pull`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The client's id.
    pub client: String,
    /// The version of the app's schema.
    pub schema: u32,
    /// Whose store it is, as an earlier `start` said; the server refuses another user's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The entities that are wanted; the server chooses the buckets from the user's scopes.
    pub entities: Vec<String>,
    /// Buckets the client has, with their cursors.
    #[serde(default)]
    pub cursors: Vec<BucketCursor>,
    /// What the server said when it accepted changes of these entities that no whole pull has followed yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stands: Vec<Stand>,
}

/// Where the server stood when it last accepted a change of an entity. No cursor says so before a pull has brought the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Stand {
    /// The entity.
    pub entity: String,
    /// Opaque; from [`crate::PushResponse`].
    pub stand: String,
}

/// Where a client stands in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BucketCursor {
    /// The bucket's name: `entity/scope`, for example `workOrder/team:7`.
    pub bucket: String,
    /// Opaque; only the server that gave it reads it.
    pub cursor: String,
    /// In an answer: whether more of this bucket follows in the same answer.
    #[serde(default)]
    pub more: bool,
    /// In an answer: every change of the bucket up to this version is covered; left out while its snapshot is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// One line of a pull's answer: an object with exactly one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum PullLine {
    /// The first line.
    Start(Start),
    /// Rows, new or changed.
    Rows(RowBatch),
    /// Rows that were deleted or left the scope.
    Gone(Gone),
    /// Everything of the bucket up to here is complete under this cursor.
    Cursor(BucketCursor),
    /// The cursor that was sent cannot be continued: the rows that follow are the whole bucket.
    Resync {
        /// The bucket's name.
        bucket: String,
        /// The server was put back to an earlier state: changes that this client knows of are lost there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restored: bool,
    },
    /// The server failed in the middle; what came before holds.
    Error(Problem),
    /// The last line of a complete answer.
    End {},
}

/// The first line of a pull's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Start {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The identity of the server's history.
    pub history: String,
    /// Who the user is, as the server knows them. A store belongs to the first one it heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The wanted entities of which the user may see nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// Every bucket of the wanted entities that the user may see now. A bucket the client has and that is not
    /// here is no longer the user's: its rows leave the device.
    pub buckets: Vec<BucketInfo>,
}

/// A bucket that an answer is going to bring up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BucketInfo {
    /// The bucket's name.
    pub bucket: String,
    /// The rows (and removals) this answer is expected to bring, for progress; an estimate.
    pub pending: u64,
}

/// Rows in columns: `data[r][c]` is the value of column `columns[c]` in row `r`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowBatch {
    /// The bucket's name. It comes first in the object, `columns` second, so a reader can decode `data` as it reads.
    pub bucket: String,
    /// `id`, `_version`, then field names.
    pub columns: Vec<String>,
    /// At most [`crate::PULL_BATCH_ROWS_MAX`] rows; in a bucket's first batches (no cursor was sent) in ascending order
    /// of id.
    pub data: Vec<Vec<Json>>,
}

/// Rows that are gone from a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gone {
    /// The bucket's name.
    pub bucket: String,
    /// The record's id and the version at which it went.
    pub rows: Vec<(String, Version)>,
}
