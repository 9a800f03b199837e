//! The engine and the real server, natively: one process, storage in memory, SQLite in a file, a network that can fail.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod batches;
mod conditions;
mod conflicts;
mod damages;
mod device;
mod faults;
mod leaders;
mod pairs;
mod platform;
mod refusals;
mod restores;
mod rules;
mod server;
mod sessions;
mod tabs;
mod transfers;
mod wipes;
