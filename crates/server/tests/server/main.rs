//! The server over real HTTP, on real SQLite files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "test code"
)]

mod attachment_stores;
mod attachments;
mod concurrency;
mod contract;
mod events;
mod files;
mod groups;
mod horizon;
mod merge;
mod plain_sql;
mod policies;
mod problems;
mod program;
mod pull;
mod replay;
mod resume;
mod seeds;
mod support;
mod together;
