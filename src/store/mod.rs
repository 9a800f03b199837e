//! The local database: ordered maps over pages and a log, in one key space.
//!
//! ```text
//! commit ─► log record ─► tail (in memory) ─► flush ─► run of pages ─► merge ─► fewer, larger runs
//! bulk load ───────────────────────────────────────► run of pages
//! ```
//!
//! A read sees the tail, then the runs from newest to oldest. `ARCHITECTURE.md`, "The store", has the whole of it.
//!
//! **Invariant:** a commit happens whole or not at all; what was committed is what every later read sees, in every tab.

mod bytes;
mod core;
mod directory;
mod footprint;
mod handle;
mod keys;
mod line;
mod page;
mod record;
mod rewrite;
mod run;
mod scan;
mod state;
mod txn;
mod view;

pub use crate::model::Query;
pub use bytes::Bytes;
pub use footprint::{Change, Footprint};
pub use handle::{Committed, Store};
pub use keys::MapId;
pub use scan::Scan;
pub use txn::Txn;
pub use view::{Interrupt, Read, View};
