//! `POST /v1/push`: a client's changes, in the order of their `seq`.

use serde::{Deserialize, Serialize};

use crate::{Fields, Version};

/// The body of `POST /v1/push`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PushRequest {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The client's id (UUID), made by the store when it was created. It belongs to the first user who used it.
    pub client: String,
    /// The version of the app's schema that wrote the changes.
    pub schema: u32,
    /// Every outcome up to this `seq` is stored durably by the client; the server may forget them.
    #[serde(default)]
    pub ack: u64,
    /// The history that the changes' bases are of, when the client has seen one. Bases of another history say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<String>,
    /// The client ends: whatever comes under its id from now on is refused. Only without changes; the answer says how far it came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// Whose store it is, as a pull's `start` once said; the server refuses another user's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// At most [`crate::PUSH_CHANGES_MAX`], `seq` dense and ascending.
    pub changes: Vec<Change>,
}

/// One logical change of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The client's dense counter, from 1. Given when the change is first sent.
    pub seq: u64,
    /// The change's id (UUID v7), given when it was written. `saved` and `confirmed` are found by it.
    pub change: String,
    /// The entity's name.
    pub entity: String,
    /// The record's id.
    pub id: String,
    /// What was done.
    pub op: Op,
    /// The server's version of the row the change was made on; none for a record the server never had. Of the create of a pair: the version up to
    /// which the device knew its buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Version>,
    /// The fields that changed and their new values; empty for a delete.
    #[serde(default)]
    pub set: Fields,
    /// The values the changed fields had before.
    #[serde(default)]
    pub was: Fields,
    /// Changes with the same group are applied together or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The device's clock when it was written, in milliseconds since 1970. Decides in the rule `newest` and between two changes of a pair of which
    /// none knew of the other; all else is for people.
    pub at: i64,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Op {
    /// A new record.
    Create,
    /// Some fields of a record.
    Update,
    /// The record goes away.
    Delete,
}

/// The answer to a push: one outcome per change, in the order of the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PushResponse {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// As many as there were changes, in their order.
    pub outcomes: Vec<ChangeOutcome>,
    /// The last `seq` of this client that the server has decided, durably.
    pub last_seq: u64,
    /// Opaque: where the server stands, with these changes; for [`crate::Stand`]. A server that is never restored needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand: Option<String>,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeOutcome {
    /// The change's `seq`.
    pub seq: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The six outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// Applied. The row now has this version.
    Accepted {
        /// The row's version after the change.
        version: Version,
    },
    /// Accepted before: an earlier answer did not arrive. A change that was refused before is answered with
    /// its first outcome instead.
    Duplicate {
        /// The version the change got when it was accepted.
        version: Version,
    },
    /// The row has changed since `base` and the entity's policy does not merge.
    Conflict {
        /// The server's row, or nothing when it is deleted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<ServerRow>,
    },
    /// Of a pair: added or removed by somebody else after it, though it arrives now. It counts as if it had been there before that: nothing is left
    /// of it.
    Superseded {
        /// The version of what is there: the row's, or that of its removal.
        version: Version,
        /// All of the row's fields, or nothing when it is removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fields: Option<Fields>,
    },
    /// Refused for good; sending it again unchanged gives the same answer.
    Rejected {
        /// A stable code, for example `constraint/required`.
        code: String,
        /// One sentence for people.
        message: String,
        /// Field name → what is wrong with it.
        #[serde(default)]
        fields: std::collections::BTreeMap<String, String>,
    },
    /// Not decided, nothing was done: send it, and all later ones, again. The `seq` is not used up.
    Retry {
        /// Wait at least this long, in milliseconds.
        after_ms: u64,
    },
}

/// A row as the server has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerRow {
    /// Its version.
    pub version: Version,
    /// All of its fields.
    pub fields: Fields,
}
