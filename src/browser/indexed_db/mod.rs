//! The storage port on IndexedDB.
//!
//! ```text
//! open ──► connected ──connection lost──► reopened by the next call, if the database is still the same one
//!              ├──────versionchange, another identity, none──► deleted: every call fails with `store/deleted`
//!              └──────close()──► closed: every call fails with `store/closed`
//! ```
//!
//! - `transaction`: transactions as futures; `opening`: requests for databases as futures.
//! - `connection`: one connection and what becomes of it.
//! - `contents`: what a store begins with; `burst`: what a commit writes; `exchange`: one value for another; `layout`: where and how it is
//!   written; `fault`: what exceptions mean.
//! - `remains`: what is left of a store that is damaged.
//! - `mirror`: what is kept in a second place; `bucket`: that place.
//!
//! **Invariant:** nothing but IndexedDB is awaited between the beginning and the end of a transaction.
//! **Invariant:** a call is repeated on a new connection only when nothing can have been written by the first attempt.

mod bucket;
mod burst;
mod connection;
mod contents;
mod exchange;
mod fault;
mod layout;
mod mirror;
mod opening;
mod remains;
mod transaction;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::IdbRequest;

use self::connection::{Absent, Connection, Disturbed, Fate, Nature};
use self::contents::{Contents, Slice};
use self::layout::{ENVELOPE, HEAD, LOG, META, PAGES, bytes_of, head_of, key};
use self::mirror::Mirror;
use self::opening::{Opening, factory};
use self::remains::Remains;
use self::transaction::{Mode, Transaction, result};
use crate::error::{Code, Error, Result};
use crate::ports::{
    Commit, CommitOutcome, Durability, Head, Loaded, LogSlice, Mirrored, PageId, Seq, SnapshotWish, Storage,
};

/// How long IndexedDB may take for one request to open or one transaction. It hangs now and then, for good.
const DEADLINE_MS: u32 = 10_000;

/// A store in IndexedDB.
pub struct IndexedDbStorage {
    name: String,
    nature: Nature,
    /// None when it was closed, or deleted.
    connection: RefCell<Option<Rc<Connection>>>,
    is_deleted: Cell<bool>,
    disturbed: Disturbed,
    /// The last head seen. A head never changes for its `seq`, so it may be old but not wrong.
    head: Cell<Head>,
    /// What the opening has read, until it is loaded.
    first_contents: Cell<Option<Contents>>,
    /// The head as it was first loaded.
    first_head: Cell<Option<Head>>,
    /// None until it is started.
    mirror: OnceCell<Mirror>,
}

/// How much is done beyond storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirroring {
    /// Whether there is to be a mirror.
    pub is_wanted: bool,
    /// Whether it is known that the last mirror missed something.
    pub is_unsure: bool,
}

impl Default for Mirroring {
    fn default() -> Self {
        Self { is_wanted: true, is_unsure: false }
    }
}

impl IndexedDbStorage {
    /// Opens the database of that name, creating it if need be.
    ///
    /// # Errors
    /// `store/unavailable` where there is no IndexedDB, `store/newer` when a newer engine wrote it, `store/timeout`, `store/quota`,
    /// `store/failed`, `store/corrupt`.
    pub async fn open(name: &str) -> Result<Self> {
        Self::open_or_create(name, None).await.inspect(Self::forget_contents)
    }

    /// The same; a database that is made gets this envelope. What comes first has to be `load`, unless what was read is forgotten.
    pub(super) async fn open_or_create(name: &str, envelope: Option<Vec<u8>>) -> Result<Self> {
        Self::first(name, Absent::Create(envelope)).await
    }

    /// Opens the database of that name, if there is one.
    pub(super) async fn open_existing(name: &str) -> Result<Option<Self>> {
        match Self::first(name, Absent::Fail).await {
            Err(error) if error.code() == Code::StoreDeleted => Ok(None),
            opened => opened.map(Some),
        }
    }

    async fn first(name: &str, absent: Absent) -> Result<Self> {
        let disturbed = Disturbed::default();
        let (connection, nature, contents) = Connection::first(name, absent, &disturbed).await?;
        let connection = RefCell::new(Some(Rc::new(connection)));
        let (name, is_deleted, head) = (name.to_owned(), Cell::default(), Cell::default());
        Ok(Self {
            name,
            nature,
            connection,
            is_deleted,
            disturbed,
            head,
            first_contents: Cell::new(Some(contents)),
            first_head: Cell::default(),
            mirror: OnceCell::new(),
        })
    }

    /// What the opening has read is not to be loaded: by then it may be old.
    pub(super) fn forget_contents(&self) {
        drop(self.first_contents.take());
    }

    /// The envelope as it was when the store was opened; none when it is not encrypted.
    pub(super) fn envelope(&self) -> Option<&[u8]> {
        self.nature.envelope.as_deref()
    }

    /// The envelope as it is now.
    pub(super) async fn read_envelope(&self) -> Result<Vec<u8>> {
        let request = self.read(&[META], |transaction| transaction.get(META, &JsValue::from_str(ENVELOPE))).await?;
        bytes_of(&result(&request)?, "the envelope")
    }

    /// Puts another envelope in the place of `present`; `false` when that is not the present one any more.
    pub(super) async fn replace_envelope(&self, present: Vec<u8>, envelope: &[u8]) -> Result<bool> {
        let transaction = self.begin(&[META], Mode::Write(Durability::Strict)).await?;
        let is_replaced = self.judged(exchange::replace(transaction, ENVELOPE, present, envelope).await)?;
        if is_replaced && let Some(mirror) = self.mirror.get() {
            mirror.put_envelope(envelope).await;
        }
        Ok(is_replaced)
    }

    /// Wrapped keys that a lost store of that name may have had. A bucket that fails has none: it stops nothing.
    pub(super) async fn lost_envelopes(name: &str) -> Vec<Vec<u8>> {
        mirror::envelopes(name).await.unwrap_or_default()
    }

    /// Begins to mirror what commits bring for it. It is opened when something is first wanted of it; that of an encrypted store at once, because
    /// it gets the wrapped key as it is now, and later another tab may have changed the key.
    pub fn start_mirror(&self, mirroring: Mirroring) {
        let mirror = self.mirror.get_or_init(|| Mirror::new(&self.name, &self.nature, mirroring));
        if mirroring.is_wanted && self.nature.envelope.is_some() {
            mirror.open();
        }
    }

    /// Deletes the database of that name, if there is one. Storages that have it open are closed.
    ///
    /// # Errors
    /// `store/timeout` when somebody does not let go of it, `store/unavailable`, `store/failed`.
    pub async fn delete(name: &str) -> Result<()> {
        mirror::delete_all(name).await?;
        let doing = format!("deleting \"{name}\"");
        let request = factory()?.delete_database(name).map_err(|thrown| fault::of_opening(&doing, &thrown))?;
        Opening::new(request, None).answered(&doing).await.map(drop)
    }

    /// The connection, a new one when the last was lost.
    async fn connection(&self) -> Result<Rc<Connection>> {
        let connection = self.connection.borrow().clone().ok_or_else(|| self.ended())?;
        match connection.fate() {
            Fate::Alive => return Ok(connection),
            Fate::Retired => return Err(connection::gone()),
            Fate::Lost => {}
        }
        let again = Connection::again(&self.name, &self.nature.identity, &self.disturbed).await;
        let connection = again.inspect_err(|error| {
            if error.code() == Code::StoreDeleted {
                self.is_deleted.set(true);
                self.connection.replace(None);
            }
        })?;
        let connection = Rc::new(connection);
        match &mut *self.connection.borrow_mut() {
            Some(current) => *current = Rc::clone(&connection),
            None => return Err(self.ended()),
        }
        Ok(connection)
    }

    /// Why there is no connection any more.
    fn ended(&self) -> Error {
        if self.is_deleted.get() {
            return connection::gone();
        }
        Error::new(Code::StoreClosed, format!("the store \"{}\" was closed", self.name))
    }

    /// Begins a transaction, on a new connection when the last one turns out to be dead.
    async fn begin(&self, stores: &[&str], mode: Mode) -> Result<Transaction> {
        let failed = |thrown| fault::of_exception("beginning a transaction", &thrown);
        let connection = self.connection().await?;
        match Transaction::begin(connection.database(), stores, mode) {
            Err(thrown) if fault::is_connection_closed(&thrown) => connection.lose(),
            begun => return begun.map_err(failed),
        }
        let connection = self.connection().await?;
        Transaction::begin(connection.database(), stores, mode).map_err(failed)
    }

    /// Issues reads in one transaction and waits for the answers. One that fails is tried again on a new connection: a read has no other reason
    /// to fail.
    async fn read<T>(&self, stores: &[&str], issue: impl Fn(&Transaction) -> Result<T>) -> Result<T> {
        let mut is_retry = false;
        loop {
            let transaction = self.begin(stores, Mode::Read).await?;
            let requests = issue(&transaction)?;
            match self.judged(transaction.answered().await) {
                Err(error) if !is_retry && error.code() == Code::StoreFailed => is_retry = true,
                ended => return ended.map(|()| requests),
            }
        }
    }

    /// Takes the connection for lost after a failure that a healthy one has no reason for.
    fn judged<T>(&self, ended: Result<T>) -> Result<T> {
        if let Err(error) = &ended
            && matches!(error.code(), Code::StoreFailed | Code::StoreTimeout)
            && let Some(connection) = &*self.connection.borrow()
        {
            connection.lose();
        }
        ended
    }

    fn saw(&self, head: Head) {
        if head.seq > self.head.get().seq {
            self.head.set(head);
        }
    }

    /// The store's head, if it has that number.
    async fn head_at(&self, seq: Seq) -> Result<Option<Head>> {
        if self.head.get().seq != seq {
            let request = self.read(&[META], |transaction| transaction.get(META, &JsValue::from_str(HEAD))).await?;
            self.saw(head_of(&result(&request)?)?);
        }
        Ok(Some(self.head.get()).filter(|head| head.seq == seq))
    }
}

impl Storage for IndexedDbStorage {
    async fn load(&self) -> Result<Loaded> {
        let contents = match self.first_contents.take() {
            Some(contents) => contents,
            None => self.read(&[META, LOG], Contents::request).await?,
        };
        let loaded = contents.received()?;
        self.saw(loaded.head);
        if self.first_head.get().is_none() {
            self.first_head.set(Some(loaded.head));
        }
        Ok(loaded)
    }

    async fn salvage(&self) -> Result<(Loaded, Vec<PageId>)> {
        let transaction = self.begin(&[META, LOG, PAGES], Mode::Read).await?;
        let remains = Remains::request(&transaction)?;
        self.judged(transaction.answered().await)?;
        remains.received()
    }

    async fn log(&self, after: Seq) -> Result<LogSlice> {
        let slice = self.read(&[META, LOG], |transaction| Slice::request(transaction, after)).await?.received()?;
        self.saw(slice.head);
        Ok(slice)
    }

    async fn pages(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>> {
        let requests: Vec<IdbRequest> = self
            .read(&[PAGES], |transaction| ids.iter().map(|id| transaction.get(PAGES, &key(*id)?)).collect())
            .await?;
        let page = |request: &IdbRequest| {
            let page = result(request)?;
            if page.is_undefined() { Ok(None) } else { bytes_of(&page, "a page").map(Some) }
        };
        requests.iter().map(page).collect()
    }

    async fn commit(&self, commit: Commit) -> Result<CommitOutcome> {
        let Some(head) = self.head_at(commit.expected).await? else { return Ok(CommitOutcome::Behind) };
        if self.first_head.get().is_none() {
            self.first_head.set(Some(head));
        }
        let writing = match self.mirror.get() {
            Some(mirror) => mirror.prepare(&commit, head).await,
            None => None,
        };
        let transaction = self.begin(&burst::scope(&commit), Mode::Write(commit.durability)).await?;
        let (outcome, head) = self.judged(burst::write(transaction, &commit, head, writing).await)?;
        self.saw(head);
        Ok(outcome)
    }

    fn on_disturbed(&self, listener: Box<dyn Fn()>) {
        self.disturbed.replace(Some(listener));
    }

    fn identity(&self) -> String {
        self.nature.identity.clone()
    }

    async fn mirrors(&self, lost: bool) -> Result<Vec<Mirrored>> {
        Ok(match self.mirror.get() {
            Some(mirror) => mirror.read(lost).await,
            None => Vec::new(),
        })
    }

    async fn put_snapshot(&self, seq: Seq, parts: Vec<Vec<u8>>) -> Result<()> {
        match self.mirror.get() {
            Some(mirror) => mirror.put_snapshot(seq, &parts).await,
            None => Ok(()),
        }
    }

    fn wants_snapshot(&self) -> SnapshotWish {
        let known = self.first_head.get().zip(self.mirror.get());
        known.map_or(SnapshotWish::Not, |(head, mirror)| mirror.wants_snapshot(head))
    }

    async fn forget_mirror(&self, identity: &str) -> Result<()> {
        match self.mirror.get() {
            Some(mirror) => mirror.forget(identity).await,
            None => Ok(()),
        }
    }

    fn take_trouble(&self) -> Option<Error> {
        self.mirror.get().and_then(Mirror::take_trouble)
    }

    async fn close(&self) {
        self.mirror.get().iter().for_each(|mirror| mirror.close());
        self.connection.replace(None);
    }
}
