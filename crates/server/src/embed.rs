//! The server inside an app of one's own: a router to mount, and what has to run beside it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::task::JoinSet;

use crate::attachments::FolderAttachments;
use crate::config::Config;
use crate::hooks::Hooks;
use crate::http::{Hints, router_with_hooks};
use crate::postgres::PostgresStorage;
use crate::retention;
use crate::seed::{SeedError, plant};
use crate::sql::AttachError;
use crate::sqlite::SqliteStorage;
use crate::storage::{Database, StorageError, StorageResult};

/// How often changes made past this server are looked for, whether or not the database tells of them.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The database cannot be used.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The folder of the SQLite file cannot be made.
    #[error("the folder of the data cannot be made: {0}")]
    Folder(#[source] std::io::Error),
    /// The seeds cannot be used.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The query for scopes cannot be asked.
    #[error("auth.scopesSql cannot be asked: {0}")]
    Scopes(#[source] StorageError),
}

type Closing = Pin<Box<dyn Future<Output = StorageResult<()>> + Send>>;

/// A server whose requests somebody else hands in. Dropped, it stops at once; what was answered is durable.
pub struct Embedded {
    router: Router,
    hints: Hints,
    beside: JoinSet<()>,
    close: Closing,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl Embedded {
    /// The sync endpoints, to be merged into a router, or nested in one: under `/sync` clients have `https://…/sync/v1` for an address.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Ends the listeners of `/v1/events`, which else keep the app from stopping.
    pub fn end_hints(&self) {
        self.hints.end();
    }

    /// Closes the database. Requests that are still on their way fail.
    ///
    /// # Errors
    /// The database's; what was answered is durable all the same.
    pub async fn close(mut self) -> StorageResult<()> {
        self.hints.end();
        self.beside.shutdown().await;
        self.close.await
    }
}

/// Opens the database of a configuration. The app listens, and says who stops when; `listen`, `[tls]` and the like of the configuration count for nothing.
///
/// # Errors
/// [`EmbedError`].
pub async fn embed(config: &Config, hooks: Hooks) -> Result<Embedded, EmbedError> {
    match &config.database {
        Some(url) => begin(config, PostgresStorage::open(url, &config.entities).await?, hooks).await,
        None => {
            if let Some(folder) = config.data.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(EmbedError::Folder)?;
            }
            begin(config, SqliteStorage::open(&config.data, &config.entities).await?, hooks).await
        }
    }
}

async fn begin<D: Database>(config: &Config, storage: D, hooks: Hooks) -> Result<Embedded, EmbedError> {
    if let Some(sql) = &config.scopes_sql {
        storage.user_scopes(sql, "").await.map_err(EmbedError::Scopes)?;
    }
    plant(&storage, &config.entities, &config.seeds).await?;
    let (storage, hints) = (Arc::new(storage), Hints::default());
    let attachments = Arc::new(FolderAttachments::new(config.attachments_folder()));
    let router = router_with_hooks(config, Arc::clone(&storage), hints.clone(), attachments, hooks);
    let mut beside = JoinSet::new();
    beside.spawn(retention::keep_house(Arc::clone(&storage), config.tombstones_days));
    beside.spawn(hints.clone().listen(Arc::clone(&storage)));
    beside.spawn(hints.clone().follow(Arc::clone(&storage), FOLLOW_EVERY));
    Ok(Embedded { router, hints, beside, close: Box::pin(async move { storage.close().await }) })
}
