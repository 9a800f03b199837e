//! The storage port over PostgreSQL: the entities' own tables, and a change log that triggers write. Any number of servers may use one database.
//!
//! ```text
//! place, workOrder, …   the entities' tables; anybody may write them
//!        │ triggers                                                      ──► NOTIFY whimbrel_<schema>
//!        ▼
//! whimbrel_clock        one row, and its lock: who numbers changes now
//! whimbrel_log          per record and scope the newest change: version, and whether it is gone
//! whimbrel_deleted      ids of records whose removal is not in the log any more
//! whimbrel_era          when the clock stood where; another one from every opening on
//! whimbrel_client       per client: its user, its last seq, what it acknowledged
//! whimbrel_outcome      decisions that a client has not acknowledged
//! whimbrel_dirty        views whose tables were written since they were looked at
//! whimbrel_meta         the history's identity; the horizon; what each entity looked like when it was attached
//! ```
//!
//! **Invariant:** a transaction holds the clock's row from its first change until it has ended, and PostgreSQL shows a
//! transaction before it releases its locks. So who numbers a change sees all changes with lower numbers, and version
//! order is commit order, for psql as for pushes.
//! **Invariant:** a moment is one transaction at `REPEATABLE READ`, which is one state of the database for all its statements.
//! **Invariant:** what was committed is on disk before it is acknowledged, whatever `synchronous_commit` says here.
//! **Invariant:** SQL stands in this folder and in `sql/`.

mod attach;
mod bulk;
mod catalog;
mod eras;
mod log;
mod moment;
mod page;
mod push;
mod refusal;
mod seed;
mod shape;
mod tables;
mod triggers;
mod values;
mod views;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use tokio::sync::Mutex;
use whimbrel_protocol::Version;

use self::catalog::Shapes;
use self::triggers::channel;
use self::views::Views;
use crate::config::Place;
use crate::model::{Entities, Entity};
use crate::retention::now_ms;
use crate::sql::AttachError;
use crate::storage::{
    Bucket, Compacted, Database, Figures, Head, Page, PageLimit, Read, SeedRows, Storage, StorageError, StorageResult,
};

pub use self::moment::PostgresMoment;
pub use self::push::PostgresPush;

/// How many connections there are at the same time, at most.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Readers, and one connection that listens.
    readers: u32,
    /// Answers on their way.
    moments: u32,
    /// Pushes. One has the clock, the others wait for it.
    writers: u32,
}

/// Of a server with one database.
const ALONE: Share = Share { readers: 9, moments: 16, writers: 4 };
/// Of one of several: nobody takes the connections of the others.
const ONE_OF_SEVERAL: Share = Share { readers: 4, moments: 4, writers: 2 };
/// A connection for answers that nobody needed for so long is closed; one of several databases keeps none of the others for longer either.
const MOMENT_IDLE_MAX: Duration = Duration::from_secs(60);
/// How long to wait for a free connection, and for somebody else's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A database of PostgreSQL. Clones are the same one.
#[derive(Debug, Clone)]
pub struct PostgresStorage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Apart from the readers: a push that has the clock must not wait for a connection that one has that waits for the clock.
    writers: PgPool,
    readers: PgPool,
    moments: PgPool,
    shapes: Arc<Shapes>,
    views: Views,
    listener: Mutex<Option<PgListener>>,
    channel: String,
    moments_max: u32,
}

impl PostgresStorage {
    /// Opens the database and attaches the entities: tables, triggers, log.
    ///
    /// # Errors
    /// [`AttachError`] when it cannot be reached or a table does not fit its entity.
    pub async fn open(url: &str, entities: &Entities) -> Result<Self, AttachError> {
        Self::open_with(options(url, None)?, entities, ALONE).await
    }

    async fn open_with(options: PgConnectOptions, entities: &Entities, share: Share) -> Result<Self, AttachError> {
        let pool = |size| PgPoolOptions::new().max_connections(size).acquire_timeout(BUSY_TIMEOUT);
        let writers = pool(share.writers)
            .after_connect(|connection, _| Box::pin(prepare_writer(connection)))
            .connect_with(options.clone())
            .await?;
        let (shapes, views, schema) = attach::attach(&writers, entities).await?;
        // Whoever restores a database opens it afterwards: cursors that are not its own can be told by their era.
        eras::begin(&writers, now_ms()).await?;
        let readers = pool(share.readers).connect_with(options.clone()).await?;
        views.mark_all(&writers).await?;
        views.refresh(&readers, &writers).await.map_err(AttachError::Views)?;
        // A lease ends by itself; a shorter limit of the database's would end it as a fault.
        let options = options.options([("idle_in_transaction_session_timeout", "600000")]);
        let moments = pool(share.moments).idle_timeout(MOMENT_IDLE_MAX).connect_lazy_with(options);
        let (shapes, listener) = (Arc::new(shapes), Mutex::default());
        let (channel, moments_max) = (channel(&schema), share.moments);
        Ok(Self(Arc::new(Inner { writers, readers, moments, shapes, views, listener, channel, moments_max })))
    }

    /// The SQL by which the entities would be attached to the database as it is. Nothing is changed.
    ///
    /// # Errors
    /// [`AttachError`], the same as when they are attached.
    pub async fn attach_script(url: &str, entities: &Entities) -> Result<String, AttachError> {
        attach::script(&mut connect(options(url, None)?).await?, entities).await
    }

    /// Takes away what attaching brought: triggers, their functions, the server's own tables. The entities' tables stay as they are.
    ///
    /// # Errors
    /// [`AttachError`].
    pub async fn detach(url: &str, entities: &Entities) -> Result<(), AttachError> {
        attach::detach(&mut connect(options(url, None)?).await?, entities).await
    }
}

/// Everything here is in the schema that names without one mean; so a schema is said once.
fn options(url: &str, schema: Option<&str>) -> Result<PgConnectOptions, AttachError> {
    let mut options = PgConnectOptions::from_str(url).map_err(AttachError::Address)?;
    options = options.application_name("whimbrel-server");
    if let Some(schema) = schema {
        options = options.options([("search_path", crate::sql::identifier(schema))]);
    }
    Ok(sqlx::ConnectOptions::disable_statement_logging(options))
}

fn options_at(place: &Place) -> Result<PgConnectOptions, AttachError> {
    match place {
        Place::Postgres { url, schema } => options(url, schema.as_deref()),
        Place::File(_) => Err(AttachError::OtherKind),
    }
}

async fn connect(options: PgConnectOptions) -> Result<PgConnection, AttachError> {
    Ok(sqlx::ConnectOptions::connect(&options).await?)
}

/// A commit that is acknowledged is durable, also where the database is told otherwise for others.
async fn prepare_writer(connection: &mut PgConnection) -> sqlx::Result<()> {
    let timeout = BUSY_TIMEOUT.as_millis();
    let settings = format!(
        "SET lock_timeout = {timeout}; SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'"
    );
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings))).await?;
    Ok(())
}

impl Database for PostgresStorage {
    async fn open_at(place: &Place, entities: &Entities, is_one_of_several: bool) -> Result<Self, AttachError> {
        let share = if is_one_of_several { ONE_OF_SEVERAL } else { ALONE };
        Self::open_with(options_at(place)?, entities, share).await
    }

    async fn script_at(place: &Place, entities: &Entities) -> Result<String, AttachError> {
        attach::script(&mut connect(options_at(place)?).await?, entities).await
    }

    async fn detach_at(place: &Place, entities: &Entities) -> Result<(), AttachError> {
        attach::detach(&mut connect(options_at(place)?).await?, entities).await
    }

    async fn renew_history(&self) -> StorageResult<()> {
        Ok(eras::renew_history(&self.0.writers).await?)
    }

    async fn seed<R: SeedRows>(&self, entity: &Entity, rows: R) -> Result<Option<u64>, R::Error> {
        let shape = self.0.shapes.of(entity)?;
        seed::seed(&self.0.writers, entity, shape, rows).await
    }

    async fn close(&self) -> StorageResult<()> {
        // It has a connection of the pool, which waits for all of them.
        *self.0.listener.lock().await = None;
        self.0.moments.close().await;
        self.0.readers.close().await;
        self.0.writers.close().await;
        Ok(())
    }
}

/// Each time as it is then.
impl Read for PostgresStorage {
    async fn head(&self) -> StorageResult<Head> {
        log::read_head(&self.0.readers).await
    }

    async fn snapshot(&self, bucket: Bucket<'_>, at: Version, after: &str, limit: PageLimit) -> StorageResult<Page> {
        let shape = self.0.shapes.of(bucket.entity)?;
        page::snapshot(&self.0.readers, shape, bucket, at, after, limit).await
    }

    async fn changes(
        &self,
        bucket: Bucket<'_>,
        after: Version,
        upto: Version,
        limit: PageLimit,
    ) -> StorageResult<Page> {
        let shape = self.0.shapes.of(bucket.entity)?;
        page::changes(&self.0.readers, shape, bucket, (after, upto), limit).await
    }

    async fn era_until(&self, era: &str) -> StorageResult<Option<Version>> {
        eras::until(&self.0.readers, era).await
    }

    async fn count_snapshot(&self, bucket: Bucket<'_>, after: &str) -> StorageResult<u64> {
        log::count_snapshot(&self.0.readers, bucket, after).await
    }

    async fn count_changes(&self, bucket: Bucket<'_>, after: Version, upto: Version) -> StorageResult<u64> {
        log::count_changes(&self.0.readers, bucket, after, upto).await
    }
}

impl Storage for PostgresStorage {
    async fn refresh_views(&self) -> StorageResult<()> {
        self.0.views.refresh(&self.0.readers, &self.0.writers).await
    }

    async fn user_scopes(&self, sql: &str, user: &str) -> StorageResult<Vec<String>> {
        log::user_scopes(&self.0.readers, sql, user).await
    }

    async fn figures(&self) -> StorageResult<Figures> {
        let Inner { writers, readers, moments, .. } = self.0.as_ref();
        let pools = [("writers", writers), ("readers", readers), ("moments", moments)];
        let pools = pools.map(|(name, pool)| (name, pool.size(), pool.num_idle()));
        Ok(Figures { stored_bytes: log::stored_bytes(readers).await?, pools: pools.into() })
    }

    type Push = PostgresPush;
    type Moment = PostgresMoment;

    async fn moment(&self) -> StorageResult<PostgresMoment> {
        PostgresMoment::begin(self).await
    }

    async fn begin_push(&self) -> StorageResult<PostgresPush> {
        PostgresPush::begin(&self.0.writers, Arc::clone(&self.0.shapes)).await
    }

    async fn begin_era(&self, now_ms: i64) -> StorageResult<()> {
        Ok(eras::begin(&self.0.writers, now_ms).await?)
    }

    async fn history_until(&self, history: &str) -> StorageResult<Option<Version>> {
        eras::history_until(&self.0.readers, history).await
    }

    async fn compact(&self, before_ms: i64) -> StorageResult<Compacted> {
        eras::compact(&self.0.writers, before_ms).await
    }

    async fn has_text(&self, bucket: Bucket<'_>, position: usize, text: &str) -> StorageResult<bool> {
        let shape = self.0.shapes.of(bucket.entity)?;
        log::has_text(&self.0.readers, shape, bucket, position, text).await
    }

    /// A lost connection is news, too: what was said meanwhile is not said again.
    async fn news(&self) -> StorageResult<()> {
        let mut place = self.0.listener.lock().await;
        let listener = match place.as_mut() {
            Some(listener) => listener,
            None => {
                let mut listener = PgListener::connect_with(&self.0.readers).await?;
                listener.listen(&self.0.channel).await?;
                place.insert(listener)
            }
        };
        let heard = listener.try_recv().await;
        if !matches!(heard, Ok(Some(_))) {
            *place = None;
        }
        heard.map(|_| ()).map_err(StorageError::from)
    }
}
