//! Opens the databases of a configuration, and keeps them in order: one, or one for each realm.
//!
//! ```text
//! place ─► open, attach ─► another history? ─► scopesSql can be asked? ─► seeds ─► served, followed, compacted
//!            └ away: of one database, the end; of a realm, tried again until it is there, and the others are served meanwhile
//! ```
//!
//! What does not go away by itself (a table that does not fit, a seed that is wrong) ends the start also of a server with realms: a configuration that is
//! wrong is noticed when it is put in place, by whoever does that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::attachments::FolderAttachments;
use crate::config::{Config, Place, Seed};
use crate::http::{RealmError, Realms};
use crate::seed::{SeedError, plant};
use crate::serve::attend;
use crate::sql::AttachError;
use crate::storage::{Database, StorageError, StorageResult};

/// Databases that are opened at the same time, at most.
const AT_ONCE: usize = 8;
/// After how long a database that is away is opened again: twice as long each time.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest of these times.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// A database cannot be used.
#[derive(Debug, thiserror::Error)]
pub struct OpenError {
    /// Of which realm; none where there are none.
    pub realm: Option<String>,
    /// Where it is.
    pub place: Place,
    /// Why.
    #[source]
    pub cause: OpenCause,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenCause {
    /// The entities cannot be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The folder of the file cannot be made.
    #[error("{0}: cannot be created: {1}")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The query for scopes cannot be asked.
    #[error("auth.scopesSql cannot be asked: {0}")]
    Scopes(#[source] StorageError),
    /// The seeds cannot be used.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// It is another realm's.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// It failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, place, cause } = self;
        if let Some(realm) = realm {
            write!(formatter, "realm {realm}: ")?;
        }
        match (place, cause) {
            (Place::File(file), OpenCause::Attach(cause)) => write!(formatter, "{}: {cause}", file.display()),
            _ => cause.fmt(formatter),
        }
    }
}

impl OpenError {
    /// Whether it may go away by itself.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            &self.cause,
            OpenCause::Attach(AttachError::Database(_) | AttachError::Views(_))
                | OpenCause::Storage(_)
                | OpenCause::Folder(..)
                | OpenCause::Realm(RealmError::Storage(_))
                | OpenCause::Seed(SeedError::Storage(_))
                | OpenCause::Scopes(StorageError::Busy(_))
        )
    }
}

/// A database of a configuration.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The realm's name; empty where there are none.
    pub name: String,
    /// Where its database is.
    pub place: Place,
    /// The folder with its attachments.
    pub attachments: PathBuf,
}

impl Tenant {
    /// All of a configuration.
    #[must_use]
    pub fn all(config: &Config) -> Vec<Self> {
        if config.realms.is_empty() {
            return vec![Self { name: String::new(), place: config.place(), attachments: config.attachments_folder() }];
        }
        let of = |realm: &crate::config::Realm| Self {
            name: realm.name.clone(),
            place: realm.place.clone(),
            attachments: config.attachments_of(realm),
        };
        config.realms.iter().map(of).collect()
    }

    /// Opens its database and attaches the entities.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open<D: Database>(&self, config: &Config) -> Result<D, OpenError> {
        if let Place::File(file) = &self.place
            && let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder)
                .map_err(|cause| self.failed(OpenCause::Folder(folder.to_owned(), cause)))?;
        }
        let opened = D::open_at(&self.place, &config.entities, !config.realms.is_empty()).await;
        opened.map_err(|cause| self.failed(cause.into()))
    }

    /// An error of this database.
    #[must_use]
    pub fn failed(&self, cause: OpenCause) -> OpenError {
        let realm = (!self.name.is_empty()).then(|| self.name.clone());
        OpenError { realm, place: self.place.clone(), cause }
    }
}

/// The databases of a configuration, and what runs beside them.
#[derive(Debug)]
pub struct Opened<D> {
    realms: Arc<Realms<D>>,
    keepers: JoinSet<()>,
}

#[derive(Debug)]
struct Shared<D> {
    config: Config,
    realms: Arc<Realms<D>>,
    /// Those that get a new history.
    renewed: Vec<String>,
    turn: Semaphore,
}

/// Opens all databases of a configuration; those of the names in `renewed` get a new history.
///
/// # Errors
/// [`OpenError`], except of a realm whose database may come back.
pub async fn open_all<D: Database>(config: &Config, renewed: Vec<String>) -> Result<Opened<D>, OpenError> {
    let (tenants, is_renewed) = (Tenant::all(config), !renewed.is_empty());
    let mut realms = Realms::default();
    for Tenant { name, attachments, .. } in &tenants {
        let attachments = Arc::new(FolderAttachments::new(attachments.clone()));
        if config.realms.is_empty() {
            realms = Realms::one_to_come(attachments);
        } else {
            realms.add(name, attachments);
        }
    }
    let (realms, turn) = (Arc::new(realms), Semaphore::new(AT_ONCE));
    let shared = Arc::new(Shared { config: config.clone(), realms: Arc::clone(&realms), renewed, turn });
    let mut opening = JoinSet::new();
    for tenant in tenants {
        let shared = Arc::clone(&shared);
        opening.spawn(async move {
            let opened = shared.open(&tenant).await;
            (tenant, opened)
        });
    }
    let mut opened = Opened { realms, keepers: JoinSet::new() };
    while let Some(done) = opening.join_next().await {
        // It neither panics nor is it aborted.
        let Ok((tenant, done)) = done else { continue };
        match done {
            Err(error) if tenant.name.is_empty() || !error.may_pass() => {
                opening.shutdown().await;
                // What was opened is closed in order; that something is wrong is known already.
                _ = opened.close().await;
                return Err(error);
            }
            Err(error) => tracing::error!(realm = tenant.name, "served later, when it can be opened: {error}"),
            Ok(()) => {}
        }
        opened.keepers.spawn(Arc::clone(&shared).keep(tenant));
    }
    // Two that are one database had the same history until one of them gave it another.
    for tenant in Tenant::all(config).into_iter().filter(|_| is_renewed) {
        if let Err(cause) = opened.realms.claim_again(&tenant.name).await {
            _ = opened.close().await;
            return Err(tenant.failed(cause.into()));
        }
    }
    Ok(opened)
}

impl<D: Database> Opened<D> {
    /// What requests are served from.
    #[must_use]
    pub fn realms(&self) -> Arc<Realms<D>> {
        Arc::clone(&self.realms)
    }

    /// Closes all databases.
    ///
    /// # Errors
    /// The first one's that failed; all are closed.
    pub async fn close(mut self) -> StorageResult<()> {
        self.keepers.shutdown().await;
        let mut result = Ok(());
        for realm in self.realms.iter() {
            if let Ok(storage) = realm.storage() {
                result = result.and(storage.close().await);
            }
        }
        result
    }
}

impl<D: Database> Shared<D> {
    async fn open(&self, tenant: &Tenant) -> Result<(), OpenError> {
        // It is never closed.
        let _turn = self.turn.acquire().await;
        let storage = Arc::new(tenant.open::<D>(&self.config).await?);
        let ready = self.make_ready(tenant, &storage).await;
        if ready.is_err() {
            _ = storage.close().await;
        }
        ready.map_err(|cause| tenant.failed(cause))
    }

    async fn make_ready(&self, Tenant { name, .. }: &Tenant, storage: &Arc<D>) -> Result<(), OpenCause> {
        let Config { scopes_sql, entities, seeds, .. } = &self.config;
        if self.renewed.contains(name) {
            storage.renew_history().await?;
        }
        if let Some(sql) = scopes_sql {
            // Nobody is called that; it says whether it can be asked at all.
            storage.user_scopes(sql, "").await.map_err(OpenCause::Scopes)?;
        }
        let own = |seed: &&Seed| seed.realm.as_ref().is_none_or(|realm| realm == name);
        let seeds: Vec<Seed> = seeds.iter().filter(own).cloned().collect();
        plant(storage.as_ref(), entities, &seeds).await?;
        Ok(self.realms.open(name, Arc::clone(storage)).await?)
    }

    /// Opens a database that was away, as soon as it is there, and keeps it in order, until it is dropped.
    async fn keep(self: Arc<Self>, tenant: Tenant) {
        let Some(realm) = self.realms.iter().find(|realm| realm.name().unwrap_or_default() == tenant.name) else {
            return;
        };
        let mut again = AGAIN;
        let storage = loop {
            if let Ok(storage) = realm.storage() {
                break storage;
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_MAX);
            match self.open(&tenant).await {
                Ok(()) => tracing::info!(realm = tenant.name, "served from now on"),
                Err(error) => tracing::warn!(realm = tenant.name, "still not served: {error}"),
            }
        };
        attend(Arc::clone(storage), realm.hints.clone(), self.config.tombstones_days).await;
    }
}
