//! The server inside an app of one's own: a router to mount, and what has to run beside it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use axum::Router;

use crate::config::Config;
use crate::hooks::Hooks;
use crate::http::router_of_realms;
use crate::open::{OpenError, open_all};
use crate::postgres::PostgresStorage;
use crate::sqlite::SqliteStorage;
use crate::storage::{Database, StorageResult};

type Closing = Pin<Box<dyn Future<Output = StorageResult<()>> + Send>>;

/// A server whose requests somebody else hands in. Dropped, it stops at once; what was answered is durable.
pub struct Embedded {
    router: Router,
    end_hints: Box<dyn Fn() + Send + Sync>,
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
        (self.end_hints)();
    }

    /// Closes the databases. Requests that are still on their way fail.
    ///
    /// # Errors
    /// A database's; what was answered is durable all the same.
    pub async fn close(self) -> StorageResult<()> {
        self.end_hints();
        self.close.await
    }
}

/// Opens the database of a configuration, or those of its realms. The app listens, and says who stops when; `listen`, `[tls]` and the like of the
/// configuration count for nothing.
///
/// # Errors
/// [`OpenError`].
pub async fn embed(config: &Config, hooks: Hooks) -> Result<Embedded, OpenError> {
    if config.is_on_postgres() {
        begin::<PostgresStorage>(config, hooks).await
    } else {
        begin::<SqliteStorage>(config, hooks).await
    }
}

async fn begin<D: Database>(config: &Config, hooks: Hooks) -> Result<Embedded, OpenError> {
    let opened = open_all::<D>(config, Vec::new()).await?;
    let realms = opened.realms();
    let router = router_of_realms(config, opened.realms(), hooks);
    let end_hints = Box::new(move || realms.end_hints());
    Ok(Embedded { router, end_hints, close: Box::pin(opened.close()) })
}
