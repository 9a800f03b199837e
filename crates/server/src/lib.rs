//! The sync server of Whimbrel: an axum router over a storage, and what a binary needs around it.
//!
//! ```text
//! http ──► push, pull (the rules) ──► storage (the port) ◄── sqlite, postgres ──► sql
//!   │            │                        │
//!   ├────────────┴──────► model ◄─────────┘        config, seed: before anything is served
//!   ├──► attachments: contents in a folder
//!   └──► auth: whose a token is
//! ```
//!
//! `embed` puts the server into an app of one's own, with `hooks` that decide along.
//!
//! **Layer law:** the rules know the model and the port, not HTTP and not SQL. `sqlite` and `postgres` know the port and what they share. `http` knows
//! the rules. Nothing knows `serve` and the binary.
//!
//! `docs/PROTOCOL.md` is the contract with the clients.

mod attachments;
mod auth;
mod config;
mod embed;
mod fault;
mod hooks;
mod http;
mod memory;
mod model;
mod open;
mod postgres;
mod pull;
mod push;
mod retention;
mod seed;
mod serve;
mod sql;
mod sqlite;
mod stand;
mod storage;
mod tls;
mod typescript;

pub use attachments::{Address, AttachmentStore, Complete, FolderAttachments, MemoryAttachments, Upload};
pub use auth::{ClaimTemplate, ClaimTemplateError, Issuer, Key, KeyError, KeySource};
pub use config::{
    Attachments, Config, ConfigCode, ConfigError, Edge, Mistake, Mistakes, Place, Rate, Realm, Seed, Sizes, TlsFiles,
    Waits, config_schema,
};
pub use embed::{Embedded, embed};
pub use fault::Fault;
pub use hooks::{Attempt, HOOK_TIMEOUT, HookError, HookResult, Hooks, Values};
pub use http::{Hints, RealmError, Realms, router, router_of_realms, router_with, router_with_hooks};
pub use memory::{MemoryMoment, MemoryPush, MemoryState, MemoryStorage, MemoryWrite};
pub use model::{
    Allow, Entities, Entity, Field, FieldType, Grant, INTEGER_MAX, NAME_BYTES_MAX, NameError, Policy, Row,
    ScopeTemplate, ScopeTemplateError, User, Value, ValueError, View,
};
pub use open::{OpenCause, OpenError, Opened, Tenant, open_all};
pub use postgres::{PostgresMoment, PostgresPush, PostgresStorage};
pub use retention::forget_removals;
pub use seed::{Misfit, SeedError, plant};
pub use serve::{Door, serve, serve_router, serve_with};
pub use sql::AttachError;
pub use sqlite::{SqliteMoment, SqlitePush, SqliteStorage};
pub use storage::{
    Bucket, Client, Compacted, Constraint, Database, Decided, Figures, Head, Page, PageLimit, PageRow, PushTransaction,
    Read, Record, SCOPES_MAX, Secret, SeedRows, Storage, StorageError, StorageResult, Write, Written,
};
pub use tls::{Tls, TlsError};
pub use typescript::typescript;
