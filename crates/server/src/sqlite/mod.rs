//! The storage port over SQLite: one file, the entities' own tables, and a change log that triggers write.
//!
//! ```text
//! place, workOrder, …   the entities' tables; anybody may write them
//!        │ triggers
//!        ▼
//! whimbrel_clock        one row: the version of the last change
//! whimbrel_log          per record and scope the newest change: version, and whether it is gone
//! whimbrel_deleted      ids of records whose removal is not in the log any more
//! whimbrel_era          when the clock stood where; another one from every opening on
//! whimbrel_client       per client: its user, its last seq, what it acknowledged
//! whimbrel_outcome      decisions that a client has not acknowledged
//! whimbrel_meta         the history's identity; the horizon; what each entity looked like when it was attached
//! ```
//!
//! **Invariant:** SQLite has one writer at a time, and the trigger takes its version inside the write, so version order
//! is commit order.
//! **Invariant:** WAL with `synchronous=FULL`: what was committed survives a power failure.
//! **Invariant:** SQL stands in this folder only. Names in it come from the configuration and were checked; values are
//! always bound.

mod attach;
mod bulk;
mod eras;
mod log;
mod page;
mod push;
mod seed;
mod tables;
mod triggers;
mod values;

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use whimbrel_protocol::Version;

use self::log::read_head;

use crate::model::{Entities, Entity};
use crate::retention::now_ms;
use crate::storage::{Bucket, Compacted, Head, Page, PageLimit, Storage, StorageError, StorageResult};

pub use self::attach::AttachError;
pub use self::push::SqlitePush;
pub use self::seed::SeedRows;

/// Readers at the same time, at most. Writers there is one.
const READERS: u32 = 8;
/// How long to wait for another process's write, and for a free connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page cache of a connection; a negative number is in KiB.
const CACHE_KIB: &str = "-32768";

/// A database in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    /// One connection, so that writers queue here, in order, and not by busy-waiting on the file.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStorage {
    /// Opens the file, creates it when absent, and attaches the entities: tables, triggers, log.
    ///
    /// # Errors
    /// [`AttachError`] when the file cannot be used or a table does not fit its entity.
    pub async fn open(file: &Path, entities: &Entities) -> Result<Self, AttachError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging()
            .pragma("cache_size", CACHE_KIB)
            .foreign_keys(true);
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(BUSY_TIMEOUT);
        let writer = pool(1).connect_with(options.clone()).await?;
        attach::attach(&writer, entities).await?;
        // Whoever restores a file opens it afterwards: cursors that are not this file's can be told by their era.
        eras::begin(&writer, now_ms()).await?;
        let readers = pool(READERS).connect_with(options).await?;
        Ok(Self { writer, readers })
    }

    /// Gives the database a new history, so that clients begin again with it: after it was restored from a backup,
    /// cursors and versions from after the backup would be mistaken for its own.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn renew_history(&self) -> StorageResult<()> {
        Ok(eras::renew_history(&self.writer).await?)
    }

    /// Loads rows into an entity that never had any: all of them in one transaction, or none.
    ///
    /// # Errors
    /// [`StorageError`]; [`SeedRows::Error`] when the rows cannot be had.
    pub async fn seed<R: SeedRows>(&self, entity: &Entity, rows: R) -> Result<Option<u64>, R::Error>
    where
        R::Error: From<StorageError>,
    {
        seed::seed(&self.writer, entity, rows).await
    }

    /// Ends all connections after folding the write-ahead log into the file.
    ///
    /// # Errors
    /// [`StorageError`] when the fold fails; the data is safe in the write-ahead log.
    pub async fn close(self) -> StorageResult<()> {
        self.readers.close().await;
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        self.writer.close().await;
        folded.map(|_| ()).map_err(StorageError::from)
    }
}

impl Storage for SqliteStorage {
    type Push = SqlitePush;

    async fn begin_push(&self) -> StorageResult<SqlitePush> {
        Ok(SqlitePush::new(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    async fn begin_era(&self, now_ms: i64) -> StorageResult<()> {
        Ok(eras::begin(&self.writer, now_ms).await?)
    }

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        eras::until(&self.readers, era).await
    }

    async fn history_until(&self, history: &str) -> StorageResult<Option<Version>> {
        eras::history_until(&self.readers, history).await
    }

    async fn compact(&self, before_ms: i64) -> StorageResult<Compacted> {
        eras::compact(&self.writer, before_ms).await
    }

    async fn head(&self) -> StorageResult<Head> {
        read_head(&self.readers).await
    }

    async fn snapshot(&self, bucket: Bucket<'_>, at: Version, after: &str, limit: PageLimit) -> StorageResult<Page> {
        page::snapshot(&self.readers, bucket, at, after, limit).await
    }

    async fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> StorageResult<Page> {
        page::changes(&self.readers, bucket, after, upto, limit).await
    }

    async fn has_text(&self, bucket: Bucket<'_>, position: usize, text: &str) -> StorageResult<bool> {
        log::has_text(&self.readers, bucket, position, text).await
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        log::count_snapshot(&self.readers, bucket, after).await
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version) -> StorageResult<u64> {
        log::count_changes(&self.readers, bucket, after).await
    }
}

/// SQLite's primary result codes for "somebody else holds it".
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        let busy = match &error {
            sqlx::Error::PoolTimedOut => true,
            sqlx::Error::Database(cause) => {
                let code = cause.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
                matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED)
            }
            _ => false,
        };
        if busy { Self::Busy(error.into()) } else { Self::Failed(error.into()) }
    }
}

/// A version as SQLite keeps it. Versions stay below 2⁵³, so nothing is ever cut off.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A version or count as SQLite gave it.
fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
