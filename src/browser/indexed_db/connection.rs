//! One connection to a database.
//!
//! ```text
//! alive ──`close` event, a failure──► lost    (a new connection may be opened)
//!   └────`versionchange`────────────► retired (somebody deletes the database: for good)
//! ```
//!
//! **Invariant:** a connection closes when it is dropped and as soon as another tab wants the database gone.
//! **Invariant:** only a first opening creates a database. Site data may be cleared while we run, and a reopened connection must not put an
//! empty store in its place: the identity tells.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbOpenDbRequest};

use super::super::BrowserRandom;
use super::super::global::whole_number;
use super::contents::Contents;
use super::fault;
use super::layout::{DATABASE_VERSION, ENVELOPE, FORMAT, FORMAT_KEY, IDENTITY, LOG, META, STORES, bytes_of, value_of};
use super::opening::{Handler, Opening, abort_upgrade, factory};
use super::transaction::{Mode, Transaction, result};
use crate::error::{Code, Error, Result};
use crate::ports::Random;

/// What has become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Alive,
    Lost,
    Retired,
}

/// Who is told when something happens to a connection from outside.
pub(super) type Disturbed = Rc<RefCell<Option<Box<dyn Fn()>>>>;
/// What is to happen when there is no database of that name.
pub(super) enum Absent {
    /// The opening fails with `store/deleted`.
    Fail,
    /// It is made, with this envelope if it is to be encrypted.
    Create(Option<Vec<u8>>),
}

/// What tells one database from another, and whether it is encrypted.
pub(super) struct Nature {
    pub(super) identity: String,
    pub(super) envelope: Option<Vec<u8>>,
}

pub(super) struct Connection {
    database: IdbDatabase,
    fate: Rc<Cell<Fate>>,
    _handlers: [Closure<dyn FnMut()>; 2],
}

impl Connection {
    /// Opens the database of that name. What is in it is read in the same transaction as what it is: a message more or less is what a start
    /// is made of.
    pub(super) async fn first(name: &str, absent: Absent, disturbed: &Disturbed) -> Result<(Self, Nature, Contents)> {
        let connection = Self::open(name, absent, disturbed).await?;
        let (nature, contents) = connection.look().await?;
        Ok((connection, nature, contents))
    }

    /// Opens the database again, if it is still the one of that identity.
    pub(super) async fn again(name: &str, identity: &str, disturbed: &Disturbed) -> Result<Self> {
        let connection = Self::open(name, Absent::Fail, disturbed).await?;
        if connection.fate() == Fate::Alive && connection.look().await?.0.identity == identity {
            Ok(connection)
        } else {
            Err(gone())
        }
    }

    async fn open(name: &str, absent: Absent, disturbed: &Disturbed) -> Result<Self> {
        let doing = format!("opening \"{name}\"");
        let request = factory()?.open_with_u32(name, DATABASE_VERSION);
        let request = request.map_err(|thrown| fault::of_opening(&doing, &thrown))?;
        let refusal = Rc::new(RefCell::new(None));
        let upgrade = {
            let (request, refusal) = (request.clone(), Rc::clone(&refusal));
            Handler::new(move |_event| {
                let created = match &absent {
                    Absent::Fail => Err(gone()),
                    Absent::Create(envelope) => create(&request, envelope.as_deref()),
                };
                if let Err(error) = created {
                    refusal.replace(Some(error));
                    abort_upgrade(&request);
                }
            })
        };
        let answer = Opening::new(request, Some(upgrade)).answered(&doing).await;
        match refusal.take() {
            Some(error) => Err(error),
            None => answer.map(|database| Self::watched(database.unchecked_into(), disturbed)),
        }
    }

    fn watched(database: IdbDatabase, disturbed: &Disturbed) -> Self {
        let fate = Rc::new(Cell::new(Fate::Alive));
        let (retired, closing, listener) = (Rc::clone(&fate), database.clone(), Rc::clone(disturbed));
        let on_version_change = Closure::new(move || {
            retired.set(Fate::Retired);
            closing.close();
            tell(&listener);
        });
        let (lost, listener) = (Rc::clone(&fate), Rc::clone(disturbed));
        let on_close = Closure::new(move || {
            if lost.get() == Fate::Alive {
                lost.set(Fate::Lost);
                tell(&listener);
            }
        });
        database.set_onversionchange(Some(on_version_change.as_ref().unchecked_ref()));
        database.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Self { database, fate, _handlers: [on_version_change, on_close] }
    }

    /// The nature of the database, after a look at how its contents are written, and those contents.
    async fn look(&self) -> Result<(Nature, Contents)> {
        let failed = |thrown| fault::of_exception("opening", &thrown);
        let transaction = Transaction::begin(&self.database, &[META, LOG], Mode::Read).map_err(failed)?;
        let format = transaction.get(META, &JsValue::from_str(FORMAT_KEY))?;
        let identity = transaction.get(META, &JsValue::from_str(IDENTITY))?;
        let envelope = transaction.get(META, &JsValue::from_str(ENVELOPE))?;
        let contents = Contents::request(&transaction)?;
        transaction.answered().await?;
        let format = whole_number(&result(&format)?).ok_or_else(|| fault::corrupt("the format"))?;
        if format > u64::from(FORMAT) {
            return Err(Error::new(
                Code::StoreNewer,
                format!("the store has format {format}, this engine knows {FORMAT}"),
            ));
        }
        let identity = result(&identity)?.as_string().ok_or_else(|| fault::corrupt("the identity"))?;
        let envelope = result(&envelope)?;
        let envelope = if envelope.is_undefined() { None } else { Some(bytes_of(&envelope, "the envelope")?) };
        Ok((Nature { identity, envelope }, contents))
    }

    pub(super) fn database(&self) -> &IdbDatabase {
        &self.database
    }

    pub(super) fn fate(&self) -> Fate {
        self.fate.get()
    }

    /// Gives the connection up after a failure; the next call opens another one.
    pub(super) fn lose(&self) {
        if self.fate.get() == Fate::Alive {
            self.fate.set(Fate::Lost);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }
}

fn tell(disturbed: &Disturbed) {
    if let Some(listener) = &*disturbed.borrow() {
        listener();
    }
}

pub(super) fn gone() -> Error {
    Error::new(Code::StoreDeleted, "the database was deleted")
}

/// The contents of a new database. The only place that makes object stores.
fn create(request: &IdbOpenDbRequest, envelope: Option<&[u8]>) -> Result<()> {
    let failed = |thrown: JsValue| fault::of_opening("creating the database", &thrown);
    let database: IdbDatabase = request.result().map_err(failed)?.unchecked_into();
    for store in STORES {
        database.create_object_store(store).map_err(failed)?;
    }
    let transaction = request.transaction().ok_or_else(|| fault::corrupt("a new database"))?;
    let meta = transaction.object_store(META).map_err(failed)?;
    let identity = uuid::Builder::from_random_bytes(BrowserRandom.bytes16()).into_uuid().to_string();
    meta.put_with_key(&JsValue::from_str(&identity), &JsValue::from_str(IDENTITY)).map_err(failed)?;
    meta.put_with_key(&JsValue::from(FORMAT), &JsValue::from_str(FORMAT_KEY)).map_err(failed)?;
    if let Some(envelope) = envelope {
        meta.put_with_key(&value_of(envelope), &JsValue::from_str(ENVELOPE)).map_err(failed)?;
    }
    Ok(())
}
