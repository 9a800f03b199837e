//! The storage port: a log, pages, a directory over them, and a mirror of what must not be lost.
//!
//! ```text
//! head   ── seq (last log record) ── directory (which directory is current) ── folded (log trimmed up to here)
//! log    ── seq → record             pages ── id → bytes
//! mirror ── snapshot (as of a seq) ── seq → lines          in another place, so that one accident does not take both
//! ```
//!
//! **Invariant:** a commit is one transaction. It happens whole, or not at all and says so.
//! **Invariant:** a commit happens only if the head's `seq` is the one expected; it makes `seq` one larger.
//! **Invariant:** `Ok(Committed)` is answered only after the transaction has completed, never before.
//! **Invariant:** the mirror never stops a commit: one that cannot be mirrored is committed, and said to be unmirrored.

use crate::error::{Error, Result};

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
    /// The last log record that had something for the mirror.
    pub mirrored: Seq,
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

impl Head {
    /// Whether these are all records after `after`.
    #[must_use]
    pub fn has_log(&self, after: Seq, log: &[LogRecord]) -> bool {
        (after + 1..=self.seq).eq(log.iter().map(|record| record.seq))
    }

    /// Whether neither the directory nor a part of the log is lost.
    #[must_use]
    pub fn has_all(&self, directory: &[u8], log: &[LogRecord]) -> bool {
        self.has_log(self.folded, log) && (self.directory == 0 || !directory.is_empty())
    }
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
    /// Lines for the mirror, or nothing.
    pub mirror: Vec<u8>,
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

/// What a mirror has of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MirrorRecord {
    /// The commit's log record.
    pub seq: Seq,
    /// The last record before it that had something for the mirror. A commit that is named by none of the later ones never happened.
    pub after: Seq,
    /// Lines.
    pub lines: Vec<u8>,
}

/// What a mirror holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mirrored {
    /// The identity of the store it is the mirror of.
    pub identity: String,
    /// Everything up to here is in the snapshot; 0 when there is none.
    pub seq: Seq,
    /// Lines of the snapshot, in parts.
    pub snapshot: Vec<Vec<u8>>,
    /// What came after it, in order.
    pub log: Vec<MirrorRecord>,
    /// Whether nothing is known of commits that it should have and has not.
    pub is_sure: bool,
}

/// Whether a snapshot of the mirror is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnapshotWish {
    /// No.
    Not,
    /// In a quiet moment: the mirror has grown long, or could not be written to.
    Idle,
    /// At once: a commit of an earlier session is in the store and not in the mirror, which was killed between the two.
    Now,
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
    /// As [`Storage::load`], of a store that is damaged: whatever is left of directory (empty when it is lost) and log; and the ids of all pages.
    async fn salvage(&self) -> Result<(Loaded, Vec<PageId>)>;
    /// Writes one transaction.
    async fn commit(&self, commit: Commit) -> Result<CommitOutcome>;
    /// Calls `listener` when something has happened to the connection from outside: somebody deletes the database or clears the site's data,
    /// or the platform has closed it. What it was, the next call tells: `store/deleted`, or nothing if all is well again.
    fn on_disturbed(&self, listener: Box<dyn Fn()>);
    /// The store's identity, made with it.
    fn identity(&self) -> String;
    /// What mirrors hold: this store's own, or (`lost`) those of stores that were here before and are no more.
    async fn mirrors(&self, lost: bool) -> Result<Vec<Mirrored>>;
    /// Puts a snapshot as of `seq`, in parts, in place of all that this store's mirror has up to there.
    async fn put_snapshot(&self, seq: Seq, parts: Vec<Vec<u8>>) -> Result<()>;
    /// Whether the mirror has grown long, or misses something.
    fn wants_snapshot(&self) -> SnapshotWish;
    /// Forgets the mirror of a store that is no more.
    async fn forget_mirror(&self, identity: &str) -> Result<()>;
    /// What has gone wrong with the mirror since the last call.
    fn take_trouble(&self) -> Option<Error>;
    /// Ends the connection; later calls fail with `store/closed`.
    async fn close(&self);
}
