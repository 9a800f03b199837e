//! Attachments on the device: contents by their hash, in a database of their own.
//!
//! ```text
//! js ──► shelf (what is kept, in IndexedDB)
//!  └───► lane, eviction (what to do; pure)  ──► entry
//! ```
//!
//! The package's `attachments.ts` speaks to the server, and asks here what is next. It is a wasm module of its own: an app without
//! attachments does not load it, and the engine knows of an address no more than that it is text.
//!
//! **Invariant:** a content that has not been uploaded leaves the device only when its database is deleted.

mod entry;
mod eviction;
mod lane;

pub use entry::Entry;
pub use eviction::to_evict;
pub use lane::{BACKOFF_BASE_MS, BACKOFF_CAP_MS, Failure, Lane, Next, backoff_ms};

#[cfg(target_family = "wasm")]
mod js;
#[cfg(target_family = "wasm")]
mod shelf;
