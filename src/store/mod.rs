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

mod accept;
mod apply;
mod batch;
mod bulk;
mod bytes;
mod compact;
mod confirmation;
mod conflict;
mod constraints;
mod core;
mod decisions;
mod decode;
mod directory;
mod entries;
mod envelope;
mod footprint;
mod handle;
mod inbox;
mod key_list;
mod keys;
mod lead;
mod line;
mod lookup;
mod merge;
mod mirror;
mod opening;
mod outbox;
mod page;
mod pending;
mod piece;
mod place;
mod poison;
mod quarantine;
mod query;
mod rebase;
mod record;
mod recovery;
mod renewal;
mod repair;
mod replica;
mod rescue;
mod resync;
mod rewrite;
mod run;
mod scan;
mod send;
mod settle;
mod sorted;
mod stands;
mod state;
mod sum;
mod system;
mod transaction;
mod transfer;
mod txn;
mod unplaced;
mod upcast;
mod upgrade;
mod view;
mod write;
mod writer;

pub use crate::model::Query;
pub use batch::RowBatch;
pub use bulk::Loading;
pub use bytes::Bytes;
pub use compact::Stats;
pub(crate) use confirmation::forget_old;
pub use confirmation::{Confirmation, Ending};
pub use conflict::{Choice, Resolution, Side};
pub use footprint::{Change, Footprint};
pub use handle::{Committed, Store};
pub use keys::MapId;
pub use lead::Epoch;
pub use outbox::OUTBOX_MAX;
pub use piece::Piece;
pub use poison::failed_alone;
pub use renewal::Renewed;
pub use replica::Counts;
pub use scan::Scan;
pub use send::{Batch, Outgoing, batch_behind, next_batch, next_batch_of};
pub use settle::{Settled, settle};
pub use stands::note_stand;
pub use sum::Sum;
pub use transfer::{Export, Import, Imported};
pub use txn::Txn;
pub use unplaced::Unplaced;
pub use upgrade::Evolution;
pub use view::{Interrupt, Read, View};
pub use write::{LocalWrite, write};
