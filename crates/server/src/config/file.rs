//! The shape of the file, as serde reads it. What is said here of a key is what its schema says.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::AuthEntry;
use super::cors::CorsEntry;
use super::edge::{MetricsEntry, TlsEntry};
use super::limits::LimitsEntry;
use super::realm::RealmEntry;

/// What a server syncs, for whom, and where it keeps it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The address to listen on; `127.0.0.1:8787` when absent. `WHIMBREL_LISTEN` and `--listen` come before it.
    pub(super) listen: Option<String>,
    /// The SQLite file, created when absent. Paths are relative to this file. `WHIMBREL_DATA` and `--data` come before it.
    pub(super) data: Option<PathBuf>,
    /// The address of a database of PostgreSQL, `postgres://…`, which is used instead of a file. `WHIMBREL_DATABASE`, and before it `DATABASE_URL`, come before it.
    pub(super) database: Option<String>,
    /// Tenants, each with a database of its own, instead of `data` and `database`.
    #[serde(default)]
    pub(super) realm: Vec<RealmEntry>,
    /// A folder with an app's files to serve at `/`. `WHIMBREL_STATIC` and `--static` come before it.
    #[serde(rename = "static")]
    pub(super) static_files: Option<PathBuf>,
    /// Whose tokens are taken.
    pub(super) auth: AuthEntry,
    /// Pages of other origins that may ask.
    #[serde(default)]
    pub(super) cors: CorsEntry,
    /// How many requests, how slow ones, and how large ones.
    #[serde(default)]
    pub(super) limits: LimitsEntry,
    /// TLS by the server itself.
    pub(super) tls: Option<TlsEntry>,
    /// Who may read the server's figures.
    #[serde(default)]
    pub(super) metrics: MetricsEntry,
    /// How contents are kept.
    #[serde(default)]
    pub(super) attachments: AttachmentsEntry,
    /// What is forgotten, and when.
    #[serde(default)]
    pub(super) retention: RetentionEntry,
    /// What is synced: each kind of record with its table.
    #[schemars(length(min = 1))]
    pub(super) entity: Vec<EntityEntry>,
    /// Rows for entities that never had any.
    #[serde(default)]
    pub(super) seed: Vec<SeedEntry>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AttachmentsEntry {
    /// The folder; when absent, one beside the database with its name and `.attachments`. Of realms, each has one of its own in it.
    pub(super) folder: Option<PathBuf>,
    /// Bytes of one attachment, at most; 268435456 when absent.
    pub(super) max_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetentionEntry {
    /// For how many days removals can be pulled; 90 when absent. A device that was away for longer begins anew.
    pub(super) tombstones_days: Option<u32>,
}

/// One kind of record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntityEntry {
    /// Its name, as the app says it: a letter, then letters, digits and _.
    pub(super) name: String,
    /// Its table, created when absent; the entity's name when it is not said.
    pub(super) table: Option<String>,
    /// Instead of a table, a view whose rows are pulled and never pushed.
    pub(super) view: Option<ViewEntry>,
    /// What clients may write, and how the server settles differences.
    pub(super) policy: PolicyEntry,
    /// The scopes of a row: texts such as `all`, or with one field at the end such as `team:{teamId}`. A user sees a row that is in one of the user's scopes.
    #[schemars(length(min = 1))]
    pub(super) scopes: Vec<String>,
    /// Who may do what with it, `allow = { read = ["*"], write = ["*"] }` for example; nobody may do what is not named.
    pub(super) allow: AllowEntry,
    /// Its fields; `id` is not among them, every record has one.
    #[schemars(length(min = 1, max = 256))]
    pub(super) fields: Vec<FieldEntry>,
    /// The two refs that a record stands for, of an entity that is a set of pairs.
    pub(super) pair: Option<[String; 2]>,
}

/// A view of the database. The server keeps a copy of what it shows, and compares the two before a pull when one of its tables was written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewEntry {
    /// Its name. It has a column `id`, which no two of its rows share.
    pub(super) name: String,
    /// The tables it is made of, all of them: what is written to others is not noticed.
    #[schemars(length(min = 1))]
    pub(super) of: Vec<String>,
}

/// Who may do what with the records of an entity: for each operation scopes, of which the user must have one. `*` is everybody who is signed in,
/// `role:*` who has a scope that begins like that. This is besides the scopes of rows.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AllowEntry {
    /// Who pulls them. Who may not read may not update and delete either.
    pub(super) read: Vec<String>,
    /// Who creates, updates and deletes them; each of the three may be said by itself.
    pub(super) write: Vec<String>,
    /// Who creates them; what `write` says when absent.
    pub(super) create: Option<Vec<String>>,
    /// Who changes them; what `write` says when absent.
    pub(super) update: Option<Vec<String>>,
    /// Who deletes them; what `write` says when absent.
    pub(super) delete: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum PolicyEntry {
    /// Pulled only.
    ReadOnly,
    /// New records only.
    AppendOnly,
    /// By field, the last change to arrive wins.
    LastWriteWins,
    /// By field, against the value that the change was made on.
    Merge,
    /// A change made on an older version of the row is a conflict.
    DetectConflicts,
}

/// A field, and its column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldEntry {
    /// Its name, as the app says it.
    pub(super) name: String,
    /// Its column; the field's name when it is not said.
    pub(super) column: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub(super) kind: TypeEntry,
    /// Characters of a text, at most.
    #[schemars(range(min = 1))]
    pub(super) max: Option<u32>,
    /// The entity that a ref refers to.
    pub(super) entity: Option<String>,
    /// Whether every record must have a value in it.
    #[serde(default)]
    pub(super) required: bool,
    /// Whose value counts when two changes of it meet, with the policy `merge`; without it, there is a conflict then.
    pub(super) merge: Option<RuleEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum RuleEntry {
    Server,
    Client,
    Newest,
    Sum,
    Union,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
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

/// Rows for an entity that never had any.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SeedEntry {
    /// The entity.
    pub(super) entity: String,
    /// A JSON file: an array of objects.
    pub(super) file: PathBuf,
    /// The keys whose values make up a row's id.
    #[schemars(length(min = 1))]
    pub(super) id_from: Vec<String>,
    /// The only realm that it is for; for each when absent.
    pub(super) realm: Option<String>,
}
