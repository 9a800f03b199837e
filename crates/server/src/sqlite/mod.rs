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
//! whimbrel_dirty        views whose tables were written since they were looked at
//! whimbrel_meta         the history's identity; the horizon; what each entity looked like when it was attached
//! ```
//!
//! **Invariant:** SQLite has one writer at a time, and the trigger takes its version inside the write, so version order
//! is commit order.
//! **Invariant:** WAL with `synchronous=FULL`: what was committed survives a power failure.
//! **Invariant:** SQL stands in this folder only. Names in it come from the configuration and were checked; values are
//! always bound.

mod attach;
mod attach_view;
mod bulk;
mod defaults;
mod eras;
mod log;
mod moment;
mod page;
mod push;
mod seed;
mod tables;
mod triggers;
mod values;
mod views;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _};
use whimbrel_protocol::Version;

use self::defaults::Defaults;
use self::log::read_head;
use self::views::Views;

use crate::config::Place;
use crate::model::{Entities, Entity};
use crate::retention::now_ms;
use crate::sql::AttachError;
use crate::storage::{
    Bucket, Compacted, Database, Figures, Head, Page, PageLimit, Read, SeedRows, Storage, StorageError, StorageResult,
};

pub use self::moment::SqliteMoment;
pub use self::push::SqlitePush;

/// Readers at the same time, at most. Writers there is one.
const READERS: u32 = 8;
/// Answers on their way at the same time, at most.
const MOMENTS: u32 = 32;
/// A connection for them that nobody needed for so long is closed.
const MOMENT_IDLE_MAX: Duration = Duration::from_secs(60);
/// How long to wait for another process's write, and for a free connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page cache of a connection; a negative number is in KiB.
const CACHE_KIB: &str = "-32768";
/// That of an answer's: it goes through a bucket once.
const MOMENT_CACHE_KIB: &str = "-4096";

/// A database in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    /// One connection, so that writers queue here, in order, and not by busy-waiting on the file.
    writer: SqlitePool,
    readers: SqlitePool,
    moments: SqlitePool,
    views: Arc<Views>,
    defaults: Arc<Defaults>,
}

impl SqliteStorage {
    /// Opens the file, creates it when absent, and attaches the entities: tables, triggers, log.
    ///
    /// # Errors
    /// [`AttachError`] when the file cannot be used or a table does not fit its entity.
    pub async fn open(file: &Path, entities: &Entities) -> Result<Self, AttachError> {
        let options = options(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", CACHE_KIB);
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(BUSY_TIMEOUT);
        let writer = pool(1).connect_with(options.clone()).await?;
        attach::attach(writer.begin_with("BEGIN IMMEDIATE").await?, entities, false).await?;
        // Whoever restores a file opens it afterwards: cursors that are not this file's can be told by their era.
        eras::begin(&writer, now_ms()).await?;
        let readers = pool(READERS).connect_with(options.clone()).await?;
        let defaults = Arc::new(Defaults::read(&readers, entities).await?);
        let views = Views::new(entities);
        views.refresh(&readers, &writer).await.map_err(AttachError::Views)?;
        let options = options.pragma("cache_size", MOMENT_CACHE_KIB);
        let moments = pool(MOMENTS).idle_timeout(MOMENT_IDLE_MAX).connect_lazy_with(options);
        Ok(Self { writer, readers, moments, views: Arc::new(views), defaults })
    }
}

impl SqliteStorage {
    /// The SQL by which the entities would be attached to the file as it is. Nothing is changed.
    ///
    /// # Errors
    /// [`AttachError`], the same as when they are attached.
    pub async fn attach_script(file: &Path, entities: &Entities) -> Result<String, AttachError> {
        // Where there is no file yet, it is what a new one would take.
        let options = if file.exists() { options(file) } else { options(Path::new(":memory:")) };
        let mut connection = options.connect().await?;
        attach::attach(connection.begin().await?, entities, true).await
    }

    /// Takes away what attaching brought: triggers, and the server's own tables. The entities' tables stay as they are.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn detach(file: &Path, entities: &Entities) -> Result<(), AttachError> {
        let mut connection = options(file).connect().await?;
        attach::detach(connection.begin_with("BEGIN IMMEDIATE").await?, entities).await
    }
}

fn options(file: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
    options.disable_statement_logging()
}

fn file_of(place: &Place) -> Result<&Path, AttachError> {
    match place {
        Place::File(file) => Ok(file),
        Place::Postgres { .. } => Err(AttachError::OtherKind),
    }
}

impl Database for SqliteStorage {
    async fn open_at(place: &Place, entities: &Entities, _: bool) -> Result<Self, AttachError> {
        Self::open(file_of(place)?, entities).await
    }

    async fn script_at(place: &Place, entities: &Entities) -> Result<String, AttachError> {
        Self::attach_script(file_of(place)?, entities).await
    }

    async fn detach_at(place: &Place, entities: &Entities) -> Result<(), AttachError> {
        Self::detach(file_of(place)?, entities).await
    }

    async fn renew_history(&self) -> StorageResult<()> {
        Ok(eras::renew_history(&self.writer).await?)
    }

    async fn seed<R: SeedRows>(&self, entity: &Entity, rows: R) -> Result<Option<u64>, R::Error> {
        seed::seed(&self.writer, &self.defaults, entity, rows).await
    }

    /// The write-ahead log is folded into the file. When that fails, the data is safe in the log.
    async fn close(&self) -> StorageResult<()> {
        self.moments.close().await;
        self.readers.close().await;
        let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        self.writer.close().await;
        folded.map(|_| ()).map_err(StorageError::from)
    }
}

/// Each time as it is then.
impl Read for SqliteStorage {
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

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        eras::until(&self.readers, era).await
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        log::count_snapshot(&self.readers, bucket, after).await
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version, upto: Version) -> StorageResult<u64> {
        log::count_changes(&self.readers, bucket, after, upto).await
    }
}

impl Storage for SqliteStorage {
    async fn refresh_views(&self) -> StorageResult<()> {
        self.views.refresh(&self.readers, &self.writer).await
    }

    async fn user_scopes(&self, sql: &str, user: &str) -> StorageResult<Vec<String>> {
        log::user_scopes(&self.readers, sql, user).await
    }

    async fn figures(&self) -> StorageResult<Figures> {
        let pools = [("writer", &self.writer), ("readers", &self.readers), ("moments", &self.moments)];
        let pools = pools.map(|(name, pool)| (name, pool.size(), pool.num_idle()));
        Ok(Figures { stored_bytes: log::stored_bytes(&self.readers).await?, pools: pools.into() })
    }

    type Push = SqlitePush;
    type Moment = SqliteMoment;

    async fn moment(&self) -> StorageResult<SqliteMoment> {
        SqliteMoment::begin(self).await
    }

    async fn begin_push(&self) -> StorageResult<SqlitePush> {
        Ok(SqlitePush::new(self.writer.begin_with("BEGIN IMMEDIATE").await?, Arc::clone(&self.defaults)))
    }

    async fn begin_era(&self, now_ms: i64) -> StorageResult<()> {
        Ok(eras::begin(&self.writer, now_ms).await?)
    }

    async fn history_until(&self, history: &str) -> StorageResult<Option<Version>> {
        eras::history_until(&self.readers, history).await
    }

    async fn compact(&self, before_ms: i64) -> StorageResult<Compacted> {
        eras::compact(&self.writer, before_ms).await
    }

    async fn has_text(&self, bucket: Bucket<'_>, position: usize, text: &str) -> StorageResult<bool> {
        log::has_text(&self.readers, bucket, position, text).await
    }
}
