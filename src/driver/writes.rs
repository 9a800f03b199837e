//! Local writes, from the app to the store.

use std::rc::Rc;

use whimbrel_protocol::{Fields, Json, Op};

use super::Driver;
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object, objects, parse};
use crate::model::uuid_v7;
use crate::ports::{Clock, Platform, Random};
use crate::store::{Confirmation, LocalWrite};
use crate::sync::{Event, NetworkStatus};

/// A write the app asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A new record; without an id it gets one.
    Create {
        /// The entity's name.
        entity: String,
        /// The record's id.
        id: Option<String>,
        /// Its fields.
        fields: Fields,
    },
    /// Some fields of a record.
    Update {
        /// The entity's name.
        entity: String,
        /// The record's id.
        id: String,
        /// The fields to change.
        fields: Fields,
    },
    /// The record goes away.
    Delete {
        /// The entity's name.
        entity: String,
        /// The record's id.
        id: String,
    },
}

impl FromJson for Write {
    fn from_json(mut object: Object) -> Result<Self> {
        let (op, entity) = (object.text("op")?, object.text("entity")?);
        let write = match op.as_str() {
            "create" => Self::Create { entity, id: object.optional_text("id")?, fields: object.map("fields")? },
            "update" => Self::Update { entity, id: object.text("id")?, fields: object.map("fields")? },
            "delete" => Self::Delete { entity, id: object.text("id")? },
            _ => return Err(object.wrong("op")),
        };
        object.end()?;
        Ok(write)
    }
}

impl Write {
    /// Reads an array of writes, as the package gives it.
    ///
    /// # Errors
    /// `open/invalid` when it is of another form.
    pub fn parse_all(json: &str) -> Result<Vec<Self>> {
        let wrong = || Error::new(Code::OptionsInvalid, "not an array of writes");
        let Json::List(writes) = parse(json.as_bytes(), Code::OptionsInvalid)? else { return Err(wrong()) };
        objects(writes, Code::OptionsInvalid)
    }
}

/// A write that is durable.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// The change's id: what became of it can be asked for by it.
    pub change: String,
    /// The entity's name.
    pub entity: String,
    /// The record's id.
    pub id: String,
}

impl<P: Platform> Driver<P> {
    /// Writes all of it, or nothing. When this returns, it is on the device; in a transaction it is seen there, and waits for [`Driver::commit`].
    ///
    /// # Errors
    /// Every code of bad input, and those of the store.
    pub async fn write(&self, writes: Vec<Write>) -> Result<Vec<Written>> {
        self.check_locked(&writes)?;
        let writes: Vec<LocalWrite> = writes.into_iter().map(|write| self.local(write)).collect();
        let confirmed = self.store.write(&writes).await.inspect_err(|error| self.look_after_import(error))?;
        if !self.store.is_transaction() {
            self.wrote(confirmed).await;
        }
        let written = |write: LocalWrite| Written { change: write.change, entity: write.entity, id: write.id };
        Ok(writes.into_iter().map(written).collect())
    }

    /// This engine, with a transaction of its own to read and write in. Dropping it without a commit leaves no trace.
    #[must_use]
    pub fn begin(&self) -> Self {
        Self { inner: Rc::clone(&self.inner), store: self.inner.store.begin() }
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// `transaction/conflict`, and those of the store; then nothing was written.
    pub async fn commit(&self) -> Result<()> {
        let confirmed = self.store.commit().await.inspect_err(|error| self.look_after_import(error))?;
        self.wrote(confirmed).await;
        Ok(())
    }

    async fn wrote(&self, confirmed: Vec<Confirmation>) {
        self.tell_confirmed(confirmed);
        self.after_commit().await;
        self.feed(Event::Wrote);
    }

    /// An entity that is locked offline is not written while it is known that there is no network.
    fn check_locked(&self, writes: &[Write]) -> Result<()> {
        if !matches!(self.status().network, NetworkStatus::Offline | NetworkStatus::Captive) {
            return Ok(());
        }
        let schema = self.schema();
        for write in writes {
            let (Write::Create { entity, .. } | Write::Update { entity, .. } | Write::Delete { entity, .. }) = write;
            if schema.entity(entity).is_ok_and(|entity| entity.locked_offline) {
                return Err(Error::new(
                    Code::LockedOffline,
                    format!("{entity} is written only while there is a network"),
                ));
            }
        }
        Ok(())
    }

    fn local(&self, write: Write) -> LocalWrite {
        let at = self.inner.ports.clock.now_ms();
        let new_id = || uuid_v7(at, self.inner.ports.random.bytes16());
        let change = new_id();
        let (op, entity, id, fields) = match write {
            Write::Create { entity, id, fields } => (Op::Create, entity, id.unwrap_or_else(new_id), fields),
            Write::Update { entity, id, fields } => (Op::Update, entity, id, fields),
            Write::Delete { entity, id } => (Op::Delete, entity, id, Fields::new()),
        };
        LocalWrite { op, entity, id, fields, change, at }
    }
}
