//! The storage port: a log, pages, a directory over them, and three readable mirrors.
//!
//! ```text
//! head ── seq (last log record) ── directory (which directory is current) ── folded (log trimmed up to here)
//! log  ── seq → record             pages ── id → bytes        outbox, conflicts, inbox ── key → JSON object
//! ```
//!
//! **Invariant:** a commit is one transaction. It happens whole, or not at all and says so.
//! **Invariant:** a commit happens only if the head's `seq` is the one expected; it makes `seq` one larger.
//! **Invariant:** `Ok(Committed)` is answered only after the transaction has completed, never before.

use crate::error::Result;

/// The number of a log record; the first is 1, an empty store is at 0.
pub type Seq = u64;
/// The number of a page. Never used twice in one store.
pub type PageId = u64;

/// Where a store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last log record.
    pub seq: Seq,
    /// The log record that brought the current directory; 0 when there is none yet.
    pub directory: Seq,
    /// Every record up to here is folded into the pages and no longer in the log.
    pub folded: Seq,
}

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its number.
    pub seq: Seq,
    /// What the store wrote.
    pub bytes: Vec<u8>,
}

/// Everything a store needs in memory to begin; read in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The head.
    pub head: Head,
    /// The current directory; empty when there is none yet.
    pub directory: Vec<u8>,
    /// The log after `head.folded`, in order.
    pub log: Vec<LogRecord>,
}

/// The log after some record; read in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSlice {
    /// The head. When its `directory` is not the reader's, the reader must [`Storage::load`] again.
    pub head: Head,
    /// The records after the one asked for that are still there, in order.
    pub log: Vec<LogRecord>,
}

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Handed to the operating system: survives the death of the browser.
    #[default]
    Relaxed,
    /// Flushed to the disk: survives the loss of power.
    Strict,
}

/// A store of plain objects beside the log, for DevTools, for rescue and for the eye. Never read by the engine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MirrorStore {
    /// Changes that the server has not acknowledged.
    Outbox,
    /// Changes that met a newer row.
    Conflicts,
    /// Changes that the server refused.
    Inbox,
}

/// One write to a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorOp {
    /// Puts the object that `json` is the text of.
    Put {
        /// Where.
        store: MirrorStore,
        /// Its key.
        key: u64,
        /// The object.
        json: String,
    },
    /// Removes it.
    Delete {
        /// Where.
        store: MirrorStore,
        /// Its key.
        key: u64,
    },
}

/// A change of the pages; it always comes with the directory that fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageChange {
    /// New pages.
    pub put: Vec<(PageId, Vec<u8>)>,
    /// Pages that the new directory does not name any more.
    pub delete: Vec<PageId>,
    /// The directory after the change.
    pub directory: Vec<u8>,
    /// Log records up to here are folded into the pages by this change and are removed; unchanged when not larger than before.
    pub folded: Seq,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// The head's `seq` that the commit was planned on.
    pub expected: Seq,
    /// The log record; it gets the number `expected + 1`.
    pub record: Vec<u8>,
    /// Writes to the mirrors.
    pub mirror: Vec<MirrorOp>,
    /// Pages, when the commit brings any.
    pub pages: Option<PageChange>,
    /// When it counts as done.
    pub durability: Durability,
}

/// What became of a commit that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is stored.
    Committed,
    /// Another tab was first: the head is not the expected one, and nothing was written.
    Behind,
}

/// A place that keeps a store.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is ever wanted")]
pub trait Storage: 'static {
    /// Reads head, directory and log.
    async fn load(&self) -> Result<Loaded>;
    /// Reads the log after `after`.
    async fn log(&self, after: Seq) -> Result<LogSlice>;
    /// Reads pages, in the order asked for; `None` for one that is gone (compacted away by another tab).
    async fn pages(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>>;
    /// Writes one transaction.
    async fn commit(&self, commit: Commit) -> Result<CommitOutcome>;
    /// Calls `listener` when something has happened to the connection from outside: somebody deletes the database or clears the site's data,
    /// or the platform has closed it. What it was, the next call tells: `store/deleted`, or nothing if all is well again.
    fn on_disturbed(&self, listener: Box<dyn Fn()>);
    /// Ends the connection; later calls fail with `store/closed`.
    async fn close(&self);
}
