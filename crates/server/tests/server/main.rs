//! The server over real HTTP, on SQLite files and on PostgreSQL: the same suite twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]
#![allow(clippy::duplicate_mod, reason = "the suite is there once for each back end")]

/// The tests that every back end must pass. `Here` is the back end, `Server` one on it.
macro_rules! suite {
    ($backend:ty) => {
        type Here = $backend;
        type Server = crate::support::Server<Here>;

        #[path = "allow.rs"]
        mod allow;
        #[path = "attachments.rs"]
        mod attachments;
        #[path = "backup.rs"]
        mod backup;
        #[path = "concurrency.rs"]
        mod concurrency;
        #[path = "conformance.rs"]
        mod conformance;
        #[path = "crashes.rs"]
        mod crashes;
        #[path = "detach.rs"]
        mod detach;
        #[path = "events.rs"]
        mod events;
        #[path = "files.rs"]
        mod files;
        #[path = "format.rs"]
        mod format;
        #[path = "groups.rs"]
        mod groups;
        #[path = "hooks.rs"]
        mod hooks;
        #[path = "horizon.rs"]
        mod horizon;
        #[path = "isolation.rs"]
        mod isolation;
        #[path = "isolation_of_realms.rs"]
        mod isolation_of_realms;
        #[path = "merge.rs"]
        mod merge;
        #[path = "pairs.rs"]
        mod pairs;
        #[path = "plain_sql.rs"]
        mod plain_sql;
        #[path = "policies.rs"]
        mod policies;
        #[path = "problems.rs"]
        mod problems;
        #[path = "program.rs"]
        mod program;
        #[path = "pull.rs"]
        mod pull;
        #[path = "pull_state.rs"]
        mod pull_state;
        #[path = "realms.rs"]
        mod realms;
        #[path = "replay.rs"]
        mod replay;
        #[path = "resume.rs"]
        mod resume;
        #[path = "scopes_sql.rs"]
        mod scopes_sql;
        #[path = "seeds.rs"]
        mod seeds;
        #[path = "together.rs"]
        mod together;
        #[path = "views.rs"]
        mod views;
    };
}

mod attachment_stores;
mod auth;
mod broken_servers;
mod configurations;
mod contract;
mod cors;
mod edge;
mod fuzz;
mod jwks;
mod metrics;
mod postgres;
mod refusals;
mod sizes;
mod sqlite;
mod support;
mod tls;
mod waits;
