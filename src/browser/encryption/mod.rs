//! Encryption at rest, over the storage on IndexedDB.
//!
//! ```text
//! passphrase ──PBKDF2──► wrapping key ──► envelope (in `meta`) holds the data key ──► log records, pages, directory
//! CryptoKey ─────────────────┘
//! ```
//!
//! - `envelope`: the data key, wrapped; `cipher`: the data key at work; `subtle`: WebCrypto.
//!
//! The data key is random, never leaves WebCrypto, and never changes: another key for the store means another envelope. What the database shows
//! are numbers, sizes and the time of writes; its name shows the store's and the user's.
//!
//! **Invariant:** a database is made together with its envelope, in one transaction, so no value of it was ever readable.
//! **Invariant:** WebCrypto is awaited before a transaction begins or after it has ended, never within.
//! **Invariant:** a store is left as it is when the key is not the right one, is missing, or was given for nothing.

mod cipher;
mod envelope;
mod subtle;

use std::cell::RefCell;
use std::rc::Rc;

use self::cipher::{Cipher, Label, Value};
use self::envelope::{Unlocked, locked};
pub use self::subtle::CryptoKey;
use super::indexed_db::{IndexedDbStorage, Mirroring};
use crate::error::{Code, Error, Result};
use crate::ports::{Commit, CommitOutcome, Loaded, LogRecord, LogSlice, Mirrored, PageId, Seq, SnapshotWish, Storage};

/// A store in IndexedDB, encrypted if it was made so. Clones are the same connection.
#[derive(Clone)]
pub struct EncryptedStorage(Rc<Inner>);

struct Inner {
    storage: IndexedDbStorage,
    /// None in a store that is not encrypted.
    lock: Option<Lock>,
}

struct Lock {
    cipher: Cipher,
    /// Opens the envelope, unless another tab has changed it.
    wrapping: RefCell<CryptoKey>,
}

impl EncryptedStorage {
    /// Opens the database of that name, creating it if need be: encrypted when there is a key.
    ///
    /// # Errors
    /// `store/locked` when it is another key, or none where one is needed; `store/not-encrypted` when there is a key for a store without; those
    /// of [`IndexedDbStorage::open`].
    pub async fn open(name: &str, key: Option<&CryptoKey>) -> Result<Self> {
        Self::open_to_load(name, key).await.inspect(|opened| opened.0.storage.forget_contents())
    }

    /// The same, for one that is loaded at once: what opening it has read need not be read again.
    ///
    /// # Errors
    /// As [`EncryptedStorage::open`].
    pub async fn open_to_load(name: &str, key: Option<&CryptoKey>) -> Result<Self> {
        let Some(key) = key else {
            let storage = IndexedDbStorage::open_or_create(name, None).await?;
            return match storage.envelope() {
                None => Ok(Self(Rc::new(Inner { storage, lock: None }))),
                Some(_) => Err(locked("the store is encrypted, and no key was given")),
            };
        };
        let storage = match IndexedDbStorage::open_existing(name).await? {
            Some(storage) => storage,
            // Another tab may be faster. Then it is that tab's envelope.
            None => IndexedDbStorage::open_or_create(name, Some(first_envelope(name, key).await?)).await?,
        };
        // A passphrase takes its time.
        storage.forget_contents();
        let envelope = storage.envelope().ok_or_else(not_encrypted)?;
        let Unlocked { wrapping, data } = envelope::unlock(envelope, key).await?;
        let lock = Lock { cipher: Cipher::new(data), wrapping: RefCell::new(wrapping) };
        Ok(Self(Rc::new(Inner { storage, lock: Some(lock) })))
    }

    /// Makes `key` the store's key. What is stored stays as it is, and tabs that have the store open go on.
    ///
    /// # Errors
    /// `store/locked` when another tab has changed the key, `store/not-encrypted`, those of the storage. After `store/timeout` it is one of the
    /// two keys.
    pub async fn change_key(&self, key: &CryptoKey) -> Result<()> {
        let lock = self.0.lock.as_ref().ok_or_else(not_encrypted)?;
        let present = self.0.storage.read_envelope().await?;
        let wrapping = lock.wrapping.borrow().clone();
        let (envelope, wrapping) = envelope::change(&present, &wrapping, key).await?;
        if !self.0.storage.replace_envelope(present, &envelope).await? {
            return Err(locked("another tab has changed the key"));
        }
        lock.wrapping.replace(wrapping);
        Ok(())
    }

    /// Begins to mirror, see [`IndexedDbStorage::start_mirror`].
    pub fn start_mirror(&self, mirroring: Mirroring) {
        self.0.storage.start_mirror(mirroring);
    }

    async fn seal(&self, commit: &mut Commit) -> Result<()> {
        let Some(lock) = &self.0.lock else { return Ok(()) };
        let seq = commit.expected + 1;
        let mut values: Vec<Value<'_>> = vec![(Label::Record(seq), &mut commit.record)];
        if !commit.mirror.is_empty() {
            values.push((Label::Mirrored(seq), &mut commit.mirror));
        }
        if let Some(change) = &mut commit.pages {
            values.push((Label::Directory(seq), &mut change.directory));
            values.extend(change.put.iter_mut().map(|(id, page)| (Label::Page(*id), page)));
        }
        lock.cipher.seal(values).await
    }

    async fn open_loaded(&self, loaded: &mut Loaded) -> Result<()> {
        let mut values: Vec<Value<'_>> = records(&mut loaded.log).collect();
        if loaded.head.directory > 0 {
            values.push((Label::Directory(loaded.head.directory), &mut loaded.directory));
        }
        self.open_values(values).await
    }

    async fn open_values(&self, values: Vec<Value<'_>>) -> Result<()> {
        match &self.0.lock {
            Some(lock) => lock.cipher.open(values).await,
            None => Ok(()),
        }
    }
}

/// The envelope for a database that is made: of the store that was wiped, if there was one, so that its mirror can be read.
async fn first_envelope(name: &str, key: &CryptoKey) -> Result<Vec<u8>> {
    let mut refusal = None;
    for envelope in IndexedDbStorage::lost_envelopes(name).await {
        match envelope::unlock(&envelope, key).await {
            Ok(_) => return Ok(envelope),
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(error) => Err(error),
        None => envelope::make(key).await,
    }
}

fn records(log: &mut [LogRecord]) -> impl Iterator<Item = Value<'_>> {
    log.iter_mut().map(|record| (Label::Record(record.seq), &mut record.bytes))
}

fn not_encrypted() -> Error {
    Error::new(Code::StoreNotEncrypted, "a key was given, but the store is not encrypted")
}

impl Storage for EncryptedStorage {
    async fn load(&self) -> Result<Loaded> {
        let mut loaded = self.0.storage.load().await?;
        self.open_loaded(&mut loaded).await?;
        Ok(loaded)
    }

    async fn salvage(&self) -> Result<(Loaded, Vec<PageId>)> {
        let (mut loaded, pages) = self.0.storage.salvage().await?;
        self.open_loaded(&mut loaded).await?;
        Ok((loaded, pages))
    }

    async fn log(&self, after: Seq) -> Result<LogSlice> {
        let mut slice = self.0.storage.log(after).await?;
        self.open_values(records(&mut slice.log).collect()).await?;
        Ok(slice)
    }

    async fn pages(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut pages = self.0.storage.pages(ids).await?;
        let found = ids.iter().zip(&mut pages).filter_map(|(id, page)| Some((Label::Page(*id), page.as_mut()?)));
        self.open_values(found.collect()).await?;
        Ok(pages)
    }

    async fn commit(&self, mut commit: Commit) -> Result<CommitOutcome> {
        self.seal(&mut commit).await?;
        self.0.storage.commit(commit).await
    }

    fn on_disturbed(&self, listener: Box<dyn Fn()>) {
        self.0.storage.on_disturbed(listener);
    }

    fn identity(&self) -> String {
        self.0.storage.identity()
    }

    async fn mirrors(&self, lost: bool) -> Result<Vec<Mirrored>> {
        let mut mirrors = self.0.storage.mirrors(lost).await?;
        for Mirrored { seq, snapshot, log, .. } in &mut mirrors {
            let parts = (0..).zip(snapshot).map(|(part, lines)| (Label::Snapshot(*seq, part), lines));
            let records = log.iter_mut().map(|record| (Label::Mirrored(record.seq), &mut record.lines));
            self.open_values(parts.chain(records).collect()).await?;
        }
        if lost && self.0.lock.is_some() {
            // One with another data key. It stays for whoever has that.
            let is_open = |lines: &Vec<u8>| lines[..] != cipher::DAMAGED;
            mirrors.retain(|mirror| {
                mirror.snapshot.iter().chain(mirror.log.iter().map(|record| &record.lines)).all(is_open)
            });
        }
        Ok(mirrors)
    }

    async fn put_snapshot(&self, seq: Seq, mut parts: Vec<Vec<u8>>) -> Result<()> {
        if let Some(lock) = &self.0.lock {
            let parts = (0..).zip(&mut parts).map(|(part, lines)| (Label::Snapshot(seq, part), lines));
            lock.cipher.seal(parts.collect()).await?;
        }
        self.0.storage.put_snapshot(seq, parts).await
    }

    fn wants_snapshot(&self) -> SnapshotWish {
        self.0.storage.wants_snapshot()
    }

    async fn forget_mirror(&self, identity: &str) -> Result<()> {
        self.0.storage.forget_mirror(identity).await
    }

    fn take_trouble(&self) -> Option<Error> {
        self.0.storage.take_trouble()
    }

    async fn close(&self) {
        self.0.storage.close().await;
    }
}
