//! The mirror of what only this device knows, in a second Storage Bucket: a database `<store>#<identity>` per store.
//!
//! ```text
//! closed ──(something is wanted of it)──► opening ──► on ──a write fails──► broken ──a snapshot──► on
//!    └► off: not wanted                      │                                 └─────(three fail)──► off, until the store is opened again
//!                                            └► off: no buckets here
//! ```
//!
//! A commit's lines are written when the head was seen to be the expected one, while the commit itself is under way: so of two tabs that
//! want the same `seq` only one writes them. Both transactions are waited for.
//!
//! **Invariant:** the mirror never makes a commit fail. What is not in it is noticed: a record says which one it comes after, and the head in
//! the store names the last.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::IdbFactory;

use super::super::global::whole_number;
use super::Mirroring;
use super::bucket::{self, LOG, META, Place, SNAPSHOT, lines_value};
use super::burst::put;
use super::connection::Nature;
use super::layout::key;
use super::transaction::{Mode, Transaction, result};
use crate::error::{Code, Error, Result};
use crate::ports::{Commit, Durability, Head, Mirrored, Seq, SnapshotWish};

/// Records from which a snapshot is worth its while.
const RECORDS_MAX: u32 = 512;
/// Bytes of records from which it is, unless the snapshot is half as large.
const BYTES_MAX: usize = 512 * 1024;
/// Snapshots that may fail before the mirror is given up.
const FAILURES_MAX: u32 = 3;

pub(super) struct Mirror {
    /// The store's name.
    store: String,
    identity: String,
    inner: Rc<Inner>,
    /// As it was when the store was opened.
    envelope: Option<Vec<u8>>,
    is_wanted: bool,
    /// Where opening it has come to.
    opened: OnceCell<Promise>,
    /// Whether commits are known that it should have and has not.
    is_unsure: bool,
}

#[derive(Default)]
struct Inner {
    factory: RefCell<Option<IdbFactory>>,
    place: RefCell<Option<Rc<Place>>>,
    /// The last commit it had something of when it was opened.
    newest: Cell<Option<Seq>>,
    records: Cell<u32>,
    bytes: Cell<usize>,
    snapshot_bytes: Cell<usize>,
    /// The last commit that was not written, until a snapshot has it.
    missed: Cell<Seq>,
    failures: Cell<u32>,
    trouble: RefCell<Option<Error>>,
}

impl Mirror {
    /// The mirror of a store. It is opened when something is first wanted of it: a start does without.
    pub(super) fn new(store: &str, nature: &Nature, mirroring: Mirroring) -> Self {
        Self {
            store: store.to_owned(),
            identity: nature.identity.clone(),
            inner: Rc::default(),
            envelope: nature.envelope.clone(),
            is_wanted: mirroring.is_wanted,
            opened: OnceCell::new(),
            is_unsure: mirroring.is_unsure,
        }
    }

    /// Opens it, beside whatever comes next.
    pub(super) fn open(&self) -> &Promise {
        self.opened.get_or_init(|| {
            let (opening, name) = (Rc::clone(&self.inner), database_name(&self.store, &self.identity));
            let envelope = self.envelope.clone();
            future_to_promise(async move {
                if let Err(error) = opening.open(&name, envelope.as_deref()).await {
                    opening.fail(&error, 1);
                }
                Ok(JsValue::UNDEFINED)
            })
        })
    }

    /// The bucket, once it is open; none when there is none.
    async fn factory(&self) -> Option<IdbFactory> {
        if !self.is_wanted {
            return None;
        }
        // Never rejected.
        drop(JsFuture::from(self.open().clone()).await);
        self.inner.factory.borrow().clone()
    }

    /// The mirror's database, once it is open; none when it cannot be written to.
    async fn place(&self) -> Option<Rc<Place>> {
        self.factory().await?;
        self.inner.place.borrow().clone().filter(|place| !place.is_closed())
    }

    /// What is to be written of a commit, which is planned on `head`.
    pub(super) async fn prepare(&self, commit: &Commit, head: Head) -> Option<Writing> {
        if commit.mirror.is_empty() {
            return None;
        }
        let Some(place) = self.place().await else {
            if self.factory().await.is_some() {
                self.inner.fail(&Error::new(Code::StoreMirror, "it was closed"), head.seq + 1);
            }
            return None;
        };
        let value = Array::of2(&key(head.mirrored).ok()?, &lines_value(&commit.mirror)).into();
        let inner = Rc::clone(&self.inner);
        inner.records.set(inner.records.get() + 1);
        inner.bytes.set(inner.bytes.get() + commit.mirror.len());
        let (key, durability) = (key(head.seq + 1).ok()?, commit.durability);
        Some(Writing { place, inner, seq: head.seq + 1, key, value, durability, begun: RefCell::new(None) })
    }

    /// Whether it has grown long, or misses something; `head` is the store's as it was opened.
    pub(super) fn wants_snapshot(&self, head: Head) -> SnapshotWish {
        let inner = &self.inner;
        if inner.factory.borrow().is_none() || inner.failures.get() >= FAILURES_MAX {
            return SnapshotWish::Not;
        }
        if inner.newest.get().is_some_and(|newest| newest < head.mirrored) {
            return SnapshotWish::Now;
        }
        let is_long =
            inner.records.get() >= RECORDS_MAX || inner.bytes.get() >= BYTES_MAX.max(2 * inner.snapshot_bytes.get());
        if is_long || inner.missed.get() > 0 { SnapshotWish::Idle } else { SnapshotWish::Not }
    }

    /// Puts a snapshot in place of everything up to `seq`. Nothing happens when there is a newer one.
    pub(super) async fn put_snapshot(&self, seq: Seq, parts: &[Vec<u8>]) -> Result<()> {
        let Some(factory) = self.factory().await else { return Ok(()) };
        let place = match self.place().await {
            Some(place) => place,
            None => Rc::new(Place::open(&factory, &database_name(&self.store, &self.identity), true).await?),
        };
        let put = replace(&place, seq, parts).await;
        let inner = &self.inner;
        match put {
            Ok(()) => {
                inner.place.replace(Some(place));
                inner.newest.set(None);
                if inner.missed.get() <= seq {
                    inner.missed.set(0);
                }
                inner.records.set(0);
                inner.bytes.set(0);
                inner.snapshot_bytes.set(parts.iter().map(Vec::len).sum());
            }
            Err(error) => {
                inner.failures.set(inner.failures.get() + 1);
                inner.fail(&error, seq);
            }
        }
        Ok(())
    }

    /// This store's mirror, or those of stores of its name that are no more.
    pub(super) async fn read(&self, lost: bool) -> Vec<Mirrored> {
        let Some(factory) = self.factory().await else { return Vec::new() };
        let read = if lost { self.read_lost(&factory).await } else { self.read_own().await };
        read.unwrap_or_else(|error| {
            self.inner.fail(&error, 1);
            Vec::new()
        })
    }

    async fn read_own(&self) -> Result<Vec<Mirrored>> {
        match self.place().await {
            Some(place) => Ok(vec![place.read(&self.identity).await?]),
            None => Ok(Vec::new()),
        }
    }

    async fn read_lost(&self, factory: &IdbFactory) -> Result<Vec<Mirrored>> {
        let mut found = Vec::new();
        for identity in identities(factory, &self.store).await? {
            if identity != self.identity {
                let place = Place::open(factory, &database_name(&self.store, &identity), false).await?;
                // Without a key there is nothing to be read. It stays for whoever has one.
                if self.envelope.is_none() && place.envelope().await?.is_some() {
                    continue;
                }
                let mirror = place.read(&identity).await?;
                found.push(Mirrored { is_sure: !self.is_unsure, ..mirror });
            }
        }
        Ok(found)
    }

    /// Keeps the wrapped key of the store. Without it, what an encrypted store mirrors could not be read after a wipe.
    pub(super) async fn put_envelope(&self, envelope: &[u8]) {
        if let Some(place) = self.place().await
            && let Err(error) = place.put_envelope(envelope).await
        {
            // The next opening makes it good.
            self.inner.fail(&error, 1);
        }
    }

    /// Deletes the mirror of a store that is no more.
    pub(super) async fn forget(&self, identity: &str) -> Result<()> {
        match self.factory().await {
            Some(factory) => bucket::delete(&factory, &database_name(&self.store, identity)).await,
            None => Ok(()),
        }
    }

    /// What has gone wrong, once.
    pub(super) fn take_trouble(&self) -> Option<Error> {
        self.inner.trouble.take()
    }

    /// Closes it.
    pub(super) fn close(&self) {
        self.inner.place.replace(None);
    }
}

/// The wrapped keys of the stores of that name that were mirrored.
pub(super) async fn envelopes(store: &str) -> Result<Vec<Vec<u8>>> {
    let Some(factory) = bucket::factory().await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for identity in identities(&factory, store).await? {
        let place = Place::open(&factory, &database_name(store, &identity), false).await?;
        found.extend(place.envelope().await?);
    }
    Ok(found)
}

/// Deletes all mirrors of stores of that name.
pub(super) async fn delete_all(store: &str) -> Result<()> {
    let Some(factory) = bucket::factory().await? else { return Ok(()) };
    for identity in identities(&factory, store).await? {
        bucket::delete(&factory, &database_name(store, &identity)).await?;
    }
    Ok(())
}

fn database_name(store: &str, identity: &str) -> String {
    [store, "#", identity].concat()
}

/// The stores of that name that there are mirrors of.
async fn identities(factory: &IdbFactory, store: &str) -> Result<Vec<String>> {
    // Identities have no `#`; names of other stores may have.
    let identity = |name: &String| Some(name.strip_prefix(store)?.strip_prefix('#')?.to_owned());
    let names = bucket::names(factory).await?;
    Ok(names.iter().filter_map(identity).filter(|identity| !identity.contains('#')).collect())
}

async fn replace(place: &Place, seq: Seq, parts: &[Vec<u8>]) -> Result<()> {
    let transaction = place.begin(&[META, SNAPSHOT, LOG], Mode::Write(Durability::Relaxed))?;
    let present = transaction.get(META, &JsValue::from_str(SNAPSHOT))?;
    let is_newer = Rc::new(Cell::new(false));
    let (answer, raw, newer) = (present.clone(), transaction.raw().clone(), Rc::clone(&is_newer));
    let compare = Closure::<dyn FnMut()>::new(move || {
        let present = result(&answer).ok().and_then(|seq| whole_number(&seq)).unwrap_or_default();
        if present > seq {
            newer.set(true);
            // The transaction is not over yet, so this does not throw.
            drop(raw.abort());
        }
    });
    present.set_onsuccess(Some(compare.as_ref().unchecked_ref()));
    let failed = |thrown: JsValue| super::fault::of_exception("the mirror's snapshot", &thrown);
    let (snapshot, log) = (transaction.store(SNAPSHOT)?, transaction.store(LOG)?);
    snapshot.clear().map_err(failed)?;
    for (number, part) in (1..).zip(parts) {
        put(&snapshot, &key(number)?, &lines_value(part))?;
    }
    let old = web_sys::IdbKeyRange::upper_bound(&key(seq)?).map_err(failed)?;
    log.delete(&old).map_err(failed)?;
    put(&transaction.store(META)?, &JsValue::from_str(SNAPSHOT), &key(seq)?)?;
    let ended = transaction.ended().await;
    present.set_onsuccess(None);
    if is_newer.get() { Ok(()) } else { ended }
}

impl Inner {
    async fn open(&self, name: &str, envelope: Option<&[u8]>) -> Result<()> {
        let Some(factory) = bucket::factory().await? else { return Ok(()) };
        self.factory.replace(Some(factory.clone()));
        let place = Place::open(&factory, name, true).await?;
        let (newest, records) = place.extent().await?;
        if let Some(envelope) = envelope
            && place.envelope().await?.as_deref() != Some(envelope)
        {
            place.put_envelope(envelope).await?;
        }
        self.newest.set(Some(newest));
        self.records.set(records);
        self.place.replace(Some(Rc::new(place)));
        Ok(())
    }

    /// From that commit on there is a gap, until a snapshot closes it.
    fn fail(&self, error: &Error, missed: Seq) {
        self.place.replace(None);
        if self.missed.replace(missed.max(self.missed.get())) == 0 {
            let detail = format!("the mirror of what waits for the server is not written: {}", error.detail());
            self.trouble.replace(Some(Error::new(Code::StoreMirror, detail)));
        }
    }
}

/// The lines of one commit, ready to be written.
pub(super) struct Writing {
    place: Rc<Place>,
    inner: Rc<Inner>,
    seq: Seq,
    key: JsValue,
    value: JsValue,
    durability: Durability,
    begun: RefCell<Option<Result<Transaction>>>,
}

impl Writing {
    /// Writes. Called when the commit has seen that it is not behind.
    pub(super) fn start(&self) {
        self.begun.replace(Some(self.begin()));
    }

    fn begin(&self) -> Result<Transaction> {
        let transaction = self.place.begin(&[LOG], Mode::Write(self.durability))?;
        put(&transaction.store(LOG)?, &self.key, &self.value)?;
        // Throws in browsers that do not have it.
        drop(transaction.raw().commit());
        Ok(transaction)
    }

    /// Waits until it is written. When it cannot be, the mirror knows.
    pub(super) async fn finish(&self) {
        let begun = self.begun.take().unwrap_or_else(|| Err(Error::new(Code::Internal, "the mirror was not begun")));
        let ended = match begun {
            Ok(transaction) => transaction.ended().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            self.inner.fail(&error, self.seq);
        }
    }
}
