//! The engine and the real server, natively: one process, storage in memory, SQLite in a file, a network that can fail.
#![cfg(not(target_family = "wasm"))]

mod device;
mod faults;
mod platform;
mod rules;
mod server;
mod tabs;
