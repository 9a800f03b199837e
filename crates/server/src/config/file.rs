//! The shape of the file, as serde reads it.

use std::net::SocketAddr;

use figment::value::magic::RelativePathBuf;
use serde::Deserialize;

use super::auth::AuthEntry;
use super::cors::CorsEntry;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default = "listen_by_default")]
    pub(super) listen: SocketAddr,
    pub(super) data: Option<RelativePathBuf>,
    pub(super) database: Option<String>,
    #[serde(rename = "static")]
    pub(super) static_files: Option<RelativePathBuf>,
    pub(super) auth: AuthEntry,
    #[serde(default)]
    pub(super) cors: CorsEntry,
    pub(super) attachments: Option<AttachmentsEntry>,
    #[serde(default)]
    pub(super) retention: RetentionEntry,
    #[serde(default)]
    pub(super) entity: Vec<EntityEntry>,
    #[serde(default)]
    pub(super) seed: Vec<SeedEntry>,
}

fn listen_by_default() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8787))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AttachmentsEntry {
    pub(super) folder: Option<RelativePathBuf>,
    pub(super) max_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetentionEntry {
    pub(super) tombstones_days: u32,
}

impl Default for RetentionEntry {
    fn default() -> Self {
        Self { tombstones_days: 90 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntityEntry {
    pub(super) name: String,
    pub(super) table: Option<String>,
    pub(super) policy: PolicyEntry,
    pub(super) scopes: Vec<String>,
    pub(super) fields: Vec<FieldEntry>,
    pub(super) pair: Option<[String; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PolicyEntry {
    ReadOnly,
    AppendOnly,
    LastWriteWins,
    Merge,
    DetectConflicts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldEntry {
    pub(super) name: String,
    pub(super) column: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: TypeEntry,
    pub(super) max: Option<u32>,
    pub(super) entity: Option<String>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) merge: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TypeEntry {
    Text,
    Integer,
    Real,
    Boolean,
    Timestamp,
    Ref,
    Attachment,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SeedEntry {
    pub(super) entity: String,
    pub(super) file: RelativePathBuf,
    pub(super) id_from: Vec<String>,
}
