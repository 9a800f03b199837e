//! What is kept, in a database of its own.
//!
//! ```text
//! entries   address           → { address, size, type, uploaded, here, parts, addedAt, usedAt }
//! parts     address/number    → a Blob: the whole of what was added here, a part of what was downloaded
//! ```
//!
//! **Invariant:** an entry and its parts change in one transaction, which decides by what it reads itself: other tabs write as well.
//! **Invariant:** only what is `uploaded` is deleted.
//! **Invariant:** rexie commits what an early return drops, so every failure inside a transaction aborts it by name.

use js_sys::{Array, Object, Reflect};
use rexie::{KeyRange, ObjectStore, Rexie, Store, Transaction, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag};

use crate::Entry;

const ENTRIES: &str = "entries";
const PARTS: &str = "parts";
/// Digits of a part's number in its key, so that keys are in the order of the parts.
const NUMBER_DIGITS: usize = 6;

/// Why the database did not do it.
pub(crate) enum Fault {
    /// A transaction that was not aborted did not commit. IndexedDB says so when there is no room (FACTS: the cause is lost on the way).
    NoRoom,
    /// Anything else, in words.
    Failed(String),
}

impl From<rexie::Error> for Fault {
    fn from(error: rexie::Error) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source:?}"));
        let words = format!("{error}{}", source.unwrap_or_default());
        if words.contains("QuotaExceeded") { Self::NoRoom } else { Self::Failed(words) }
    }
}

impl From<JsValue> for Fault {
    fn from(thrown: JsValue) -> Self {
        Self::Failed(format!("{thrown:?}"))
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// The open database; it is closed when this is dropped. One that stays open would keep the database from being deleted.
pub(crate) struct Shelf(Option<Rexie>);

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some(database) = self.0.take() {
            database.close();
        }
    }
}

impl Shelf {
    pub(crate) async fn open(name: &str) -> Result<Self> {
        let builder = Rexie::builder(name).version(1).add_object_store(ObjectStore::new(ENTRIES));
        Ok(Self(Some(builder.add_object_store(ObjectStore::new(PARTS)).build().await?)))
    }

    fn begin_transaction(&self, stores: &[&str], mode: TransactionMode) -> Result<Transaction> {
        let database = self.0.as_ref().ok_or_else(|| Fault::Failed("it is closed".to_owned()))?;
        Ok(database.transaction(stores, mode)?)
    }

    /// All entries, as they are kept.
    pub(crate) async fn entries(&self) -> Result<Vec<JsValue>> {
        let transaction = self.begin_transaction(&[ENTRIES], TransactionMode::ReadOnly)?;
        Ok(transaction.store(ENTRIES)?.get_all(None, None).await?)
    }

    /// The content, if all of it is here. It is wanted now.
    pub(crate) async fn take(&self, address: &str, now: f64) -> Result<Option<Blob>> {
        let change = self.change()?;
        let result = change.take(address, now).await;
        change.end(result).await
    }

    /// Keeps a content that was made here. Says whether it is new.
    pub(crate) async fn add(&self, address: &str, content: &Blob, media_type: &str, now: f64) -> Result<bool> {
        let change = self.change()?;
        let result = change.add(address, content, media_type, now).await;
        change.end(result).await
    }

    /// Begins a download, or goes on with it: how many bytes of it are here.
    pub(crate) async fn begin(&self, address: &str, size: f64, media_type: &str, now: f64) -> Result<f64> {
        let change = self.change()?;
        let result = change.begin(address, size, media_type, now).await;
        change.end(result).await
    }

    /// Adds the next part of a download. Says how many bytes are here now; none when it does not fit any more.
    pub(crate) async fn add_part(&self, address: &str, offset: f64, part: &Blob) -> Result<Option<f64>> {
        let change = self.change()?;
        let result = change.add_part(address, offset, part).await;
        change.end(result).await
    }

    /// The content of a download, before anybody believes in it.
    pub(crate) async fn downloaded(&self, address: &str) -> Result<Option<Blob>> {
        let transaction = self.begin_transaction(&[ENTRIES, PARTS], TransactionMode::ReadOnly)?;
        let Some(entry) = transaction.store(ENTRIES)?.get(address.into()).await? else { return Ok(None) };
        Ok(Some(content(&transaction.store(PARTS)?, address, &text(&entry, "type")).await?))
    }

    /// Says of an entry that it is uploaded, or that it is here.
    pub(crate) async fn mark(&self, address: &str, what: &str) -> Result<()> {
        let change = self.change()?;
        let result = change.mark(address, what).await;
        change.end(result).await
    }

    /// Nobody knows any more what the server has: what is here counts as not uploaded, until the server was asked.
    pub(crate) async fn doubt(&self) -> Result<()> {
        let change = self.change()?;
        let result = change.doubt().await;
        change.end(result).await
    }

    /// Deletes a content, if the server has it. Says whether it is gone.
    pub(crate) async fn remove(&self, address: &str) -> Result<bool> {
        let change = self.change()?;
        let result = change.remove(address).await;
        change.end(result).await
    }

    fn change(&self) -> Result<Change> {
        let transaction = self.begin_transaction(&[ENTRIES, PARTS], TransactionMode::ReadWrite)?;
        let (entries, parts) = (transaction.store(ENTRIES)?, transaction.store(PARTS)?);
        Ok(Change { transaction, entries, parts })
    }
}

/// A transaction that writes.
struct Change {
    transaction: Transaction,
    entries: Store,
    parts: Store,
}

impl Change {
    /// Commits, or takes back what was written.
    async fn end<T>(self, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => self.transaction.commit().await.map(|()| value).map_err(|error| match error {
                rexie::Error::TransactioncommitFailed => Fault::NoRoom,
                error => error.into(),
            }),
            Err(fault) => {
                // It may have ended by itself. What counts is the first failure.
                drop(self.transaction.abort().await);
                Err(fault)
            }
        }
    }

    async fn take(&self, address: &str, now: f64) -> Result<Option<Blob>> {
        let Some(entry) = self.entries.get(address.into()).await? else { return Ok(None) };
        if !flag(&entry, "here") {
            return Ok(None);
        }
        let content = content(&self.parts, address, &text(&entry, "type")).await?;
        set(&entry, "usedAt", &now.into())?;
        self.put(&entry, address).await?;
        Ok(Some(content))
    }

    async fn add(&self, address: &str, content: &Blob, media_type: &str, now: f64) -> Result<bool> {
        let known = self.entries.get(address.into()).await?;
        if let Some(entry) = &known
            && flag(entry, "here")
        {
            set(entry, "usedAt", &now.into())?;
            self.put(entry, address).await?;
            return Ok(false);
        }
        // A download that has begun: the server has it, and now all of it is here.
        self.parts.delete(parts_of(address)?.into()).await?;
        let entry = new_entry(address, content.size(), media_type, now)?;
        set(&entry, "here", &true.into())?;
        set(&entry, "uploaded", &known.is_some().into())?;
        set(&entry, "parts", &1.into())?;
        self.parts.put(content, Some(&part_key(address, 0))).await?;
        self.put(&entry, address).await?;
        Ok(true)
    }

    async fn begin(&self, address: &str, size: f64, media_type: &str, now: f64) -> Result<f64> {
        if let Some(entry) = self.entries.get(address.into()).await? {
            let begun = self.parts.get_all(Some(parts_of(address)?), None).await?;
            let here: f64 = begun.iter().map(|part| part.unchecked_ref::<Blob>().size()).sum();
            set(&entry, "usedAt", &now.into())?;
            self.put(&entry, address).await?;
            return Ok(here);
        }
        let entry = new_entry(address, size, media_type, now)?;
        set(&entry, "uploaded", &true.into())?;
        self.put(&entry, address).await?;
        Ok(0.0)
    }

    async fn add_part(&self, address: &str, offset: f64, part: &Blob) -> Result<Option<f64>> {
        let Some(entry) = self.entries.get(address.into()).await? else { return Ok(None) };
        let number = number(&entry, "parts");
        let begun = self.parts.get_all(Some(parts_of(address)?), None).await?;
        let here: f64 = begun.iter().map(|part| part.unchecked_ref::<Blob>().size()).sum();
        if here != offset {
            return Ok(None);
        }
        self.parts.put(part, Some(&part_key(address, number as u32))).await?;
        set(&entry, "parts", &(number + 1.0).into())?;
        self.put(&entry, address).await?;
        Ok(Some(here + part.size()))
    }

    async fn mark(&self, address: &str, what: &str) -> Result<()> {
        let Some(entry) = self.entries.get(address.into()).await? else { return Ok(()) };
        set(&entry, what, &true.into())?;
        self.put(&entry, address).await
    }

    async fn doubt(&self) -> Result<()> {
        for entry in self.entries.get_all(None, None).await?.iter().filter(|entry| flag(entry, "here")) {
            set(entry, "uploaded", &false.into())?;
            self.put(entry, &text(entry, "address")).await?;
        }
        Ok(())
    }

    async fn remove(&self, address: &str) -> Result<bool> {
        let Some(entry) = self.entries.get(address.into()).await? else { return Ok(true) };
        if !flag(&entry, "uploaded") {
            return Ok(false);
        }
        self.parts.delete(parts_of(address)?.into()).await?;
        self.entries.delete(address.into()).await?;
        Ok(true)
    }

    async fn put(&self, entry: &JsValue, address: &str) -> Result<()> {
        self.entries.put(entry, Some(&address.into())).await?;
        Ok(())
    }
}

/// The entry as the decisions see it.
pub(crate) fn to_entry(entry: &JsValue) -> Entry {
    Entry {
        address: text(entry, "address"),
        size: number(entry, "size") as u64,
        is_uploaded: flag(entry, "uploaded"),
        added_at: number(entry, "addedAt") as i64,
        used_at: number(entry, "usedAt") as i64,
    }
}

fn new_entry(address: &str, size: f64, media_type: &str, now: f64) -> Result<JsValue> {
    let entry = JsValue::from(Object::new());
    let values: [(&str, JsValue); 8] = [
        ("address", address.into()),
        ("size", size.into()),
        ("type", media_type.into()),
        ("uploaded", false.into()),
        ("here", false.into()),
        ("parts", 0.into()),
        ("addedAt", now.into()),
        ("usedAt", now.into()),
    ];
    for (name, value) in &values {
        set(&entry, name, value)?;
    }
    Ok(entry)
}

async fn content(parts: &Store, address: &str, media_type: &str) -> Result<Blob> {
    let parts: Array = parts.get_all(Some(parts_of(address)?), None).await?.into_iter().collect();
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    Ok(Blob::new_with_blob_sequence_and_options(&parts, &options)?)
}

fn part_key(address: &str, number: u32) -> JsValue {
    format!("{address}/{number:0NUMBER_DIGITS$}").into()
}

/// The keys of a content's parts: `0` follows `/`.
fn parts_of(address: &str) -> Result<KeyRange> {
    let bounds = [format!("{address}/"), format!("{address}0")].map(JsValue::from);
    let [from, to] = &bounds;
    KeyRange::bound(from, to, None, Some(true)).map_err(|error| rexie::Error::from(error).into())
}

fn get(entry: &JsValue, name: &str) -> JsValue {
    Reflect::get(entry, &name.into()).unwrap_or_default()
}

fn set(entry: &JsValue, name: &str, value: &JsValue) -> Result<()> {
    Reflect::set(entry, &name.into(), value)?;
    Ok(())
}

fn flag(entry: &JsValue, name: &str) -> bool {
    get(entry, name).is_truthy()
}

fn number(entry: &JsValue, name: &str) -> f64 {
    get(entry, name).as_f64().unwrap_or_default()
}

fn text(entry: &JsValue, name: &str) -> String {
    get(entry, name).as_string().unwrap_or_default()
}
