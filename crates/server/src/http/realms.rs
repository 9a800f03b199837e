//! What requests are served from: one database, or one for each realm.
//!
//! ```text
//! token ─► user, realm ─► storage, attachments, hints of that realm          no realm, or none of that name: 403
//!                         └ its database is not open: 503, for it alone
//! ```
//!
//! **Invariant:** a handler gets a storage only from whom a token is of ([`Caller`](super::auth::Caller)), so nothing of another realm can be asked for.
//! **Invariant:** no two realms have the same history: then both would be the same database, or one a copy of the other whose cursors it signs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Hints;
use crate::attachments::AttachmentStore;
use crate::storage::{Storage, StorageError, StorageResult};

/// A realm, or the whole of a server without any.
#[derive(Debug)]
pub(crate) struct Realm<S> {
    /// None of the only one.
    name: Option<String>,
    /// Empty as long as the database could not be opened.
    storage: OnceLock<Arc<S>>,
    pub(crate) hints: Hints,
    pub(crate) attachments: Arc<dyn AttachmentStore>,
}

impl<S> Realm<S> {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its database.
    ///
    /// # Errors
    /// [`StorageError::Busy`] as long as it is not open.
    pub(crate) fn storage(&self) -> StorageResult<&Arc<S>> {
        self.storage.get().ok_or_else(|| StorageError::Busy("the realm's database is not open yet".into()))
    }
}

/// Why a realm is not given a database.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// Another realm has the same history.
    #[error(
        "the database is that of the realm {0}, or a copy of it; a copy needs --new-history before it is a realm of its own"
    )]
    SameHistory(String),
    /// It cannot be asked.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The realms of a server, or its only database.
#[derive(Debug)]
pub struct Realms<S> {
    all: BTreeMap<String, Arc<Realm<S>>>,
    /// Which realm has which history.
    histories: Mutex<BTreeMap<String, String>>,
}

impl<S> Default for Realms<S> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), histories: Mutex::default() }
    }
}

impl<S: Storage> Realms<S> {
    /// A server without realms.
    #[must_use]
    pub fn one(storage: Arc<S>, hints: Hints, attachments: Arc<dyn AttachmentStore>) -> Self {
        let realm = Realm { name: None, storage: OnceLock::from(storage), hints, attachments };
        Self { all: BTreeMap::from([(String::new(), Arc::new(realm))]), histories: Mutex::default() }
    }

    /// The same, whose database is to come.
    pub(crate) fn one_to_come(attachments: Arc<dyn AttachmentStore>) -> Self {
        let realm = Realm { name: None, storage: OnceLock::new(), hints: Hints::default(), attachments };
        Self { all: BTreeMap::from([(String::new(), Arc::new(realm))]), histories: Mutex::default() }
    }

    /// Adds a realm whose database is to come ([`Realms::open`]); until then its users are told that it is busy.
    pub fn add(&mut self, name: &str, attachments: Arc<dyn AttachmentStore>) {
        let realm =
            Realm { name: Some(name.to_owned()), storage: OnceLock::new(), hints: Hints::default(), attachments };
        self.all.insert(name.to_owned(), Arc::new(realm));
    }

    /// Gives a realm its database. One that has one keeps it, and what was not added is none.
    ///
    /// # Errors
    /// [`RealmError`].
    pub async fn open(&self, name: &str, storage: Arc<S>) -> Result<(), RealmError> {
        self.claim(name, storage.as_ref()).await?;
        if let Some(realm) = self.all.get(name) {
            _ = realm.storage.set(storage);
        }
        Ok(())
    }

    /// Looks again whether no other realm has the history of this one, whose database may have got another one since it was opened.
    pub(crate) async fn claim_again(&self, name: &str) -> Result<(), RealmError> {
        self.histories().retain(|_, of| of != name);
        match self.all.get(name).and_then(|realm| realm.storage.get()) {
            Some(storage) => self.claim(name, storage.as_ref()).await,
            None => Ok(()),
        }
    }

    async fn claim(&self, name: &str, storage: &S) -> Result<(), RealmError> {
        let history = storage.head().await?.history;
        match self.histories().entry(history) {
            Entry::Occupied(other) if other.get() != name => Err(RealmError::SameHistory(other.get().clone())),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(place) => {
                place.insert(name.to_owned());
                Ok(())
            }
        }
    }

    fn histories(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hints of a realm, to be woken by whoever follows its storage.
    #[must_use]
    pub fn hints(&self, name: &str) -> Option<Hints> {
        self.all.get(name).map(|realm| realm.hints.clone())
    }

    /// Ends all listeners of `/v1/events`, now and later, so that the server can stop.
    pub fn end_hints(&self) {
        self.all.values().for_each(|realm| realm.hints.end());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Realm<S>>> {
        self.all.values()
    }

    /// The realm of a user; none of a name that is not here.
    pub(super) fn of(&self, realm: Option<&str>) -> Option<&Arc<Realm<S>>> {
        self.all.get(realm.unwrap_or_default())
    }

    /// The only one, of a server without realms.
    pub(super) fn only(&self) -> Option<&Arc<Realm<S>>> {
        self.all.values().next().filter(|realm| realm.name.is_none())
    }
}
