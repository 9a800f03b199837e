//! Whimbrel: the offline-first sync engine.
//!
//! ```text
//! js → driver → {sync, store} → model        browser, memory → ports
//! ```
//!
//! - [`model`]: what an app's data is: schema, values, rows, keys, ids, queries.
//! - `store`: the local database, ordered maps over pages and a log.
//! - `sync`: the decisions of a sync, as pure functions and one state machine.
//! - [`ports`]: what the outside must provide. `memory` and `browser` provide it.
//! - `driver`: the one place that awaits: it performs what `sync` decides.
//! - `js`: the surface that the npm package `whimbrel` wraps; no decisions.
//!
//! `ARCHITECTURE.md` has the map and the invariants.

pub mod driver;
pub mod error;
mod json;
pub mod memory;
pub mod model;
pub mod ports;
pub mod store;
pub mod sync;

#[cfg(target_family = "wasm")]
pub mod browser;
#[cfg(target_family = "wasm")]
pub mod js;
