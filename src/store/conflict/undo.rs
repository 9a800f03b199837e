//! Taking a resolution back.
//!
//! While nobody else knows of it, the conflict is open again as it was. Afterwards it is a change like any other: the server's values are written
//! back.

use serde::Serialize;
use whimbrel_protocol::{Fields, Json, Op, ServerRow};

use super::open;
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object, to_json};
use crate::store::confirmation::{self, Confirmation, Ending};
use crate::store::outbox::Entry;
use crate::store::system::{self, Counter};
use crate::store::write::{LocalWrite, write};
use crate::store::{Interrupt, MapId, Read, Txn, pending, rebase};

/// How long a resolution can be undone.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Old resolutions that one transaction forgets, at most.
const FORGOTTEN_AT_ONCE: usize = 64;

/// A resolution as it is kept.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Resolved {
    /// The change that was in conflict.
    pub(super) entry: Entry,
    /// What the server had.
    pub(super) server: Option<ServerRow>,
    /// What was left of the change.
    pub(super) left: Option<Entry>,
    /// Later changes of the record that were given up with it, and their places.
    pub(super) taken: Vec<(u64, Entry)>,
    /// When.
    pub(super) at: i64,
}

impl FromJson for Resolved {
    fn from_json(mut object: Object) -> Result<Self> {
        let mut taken = Vec::new();
        for pair in object.list("taken")? {
            let [Json::Number(place), entry] = pair.as_list().unwrap_or_default() else {
                return Err(object.wrong("taken"));
            };
            let place = place.integer().and_then(|place| u64::try_from(place).ok());
            let entry = Entry::from_json(Object::of(entry.clone(), object.code())?)?;
            taken.push((place.ok_or_else(|| object.wrong("taken"))?, entry));
        }
        Ok(Self {
            entry: object.optional("entry")?.ok_or_else(|| object.wrong("entry"))?,
            server: object.optional("server")?,
            left: object.optional("left")?,
            taken,
            at: object.integer("at")?,
        })
    }
}

pub(super) fn remember(txn: &mut Txn<'_>, position: u64, resolved: &Resolved) -> Result<(), Interrupt> {
    txn.put(MapId::RESOLVED, &position.to_be_bytes(), to_json(resolved)?);
    Ok(())
}

/// Forgets some resolutions that nobody will take back.
pub(crate) fn forget_old(txn: &mut Txn<'_>, now: i64) -> Result<(), Interrupt> {
    let oldest = txn.scan_prefix(MapId::RESOLVED, &[]).take(FORGOTTEN_AT_ONCE);
    let oldest: Vec<_> = oldest.collect::<Result<Vec<_>, _>>()?;
    for (key, bytes) in oldest {
        let resolved: Resolved = system::from_json(&bytes)?;
        if resolved.at < now - KEPT_MS {
            txn.delete(MapId::RESOLVED, &key);
        }
    }
    Ok(())
}

/// Takes a resolution back. `change` is the id of a change that may have to be written for it. Returns whether the conflict is open again, and
/// the changes that have come to their end by it.
///
/// # Errors
/// `conflict/not-found`, `conflict/too-late`, and those of the store; then nothing has changed.
pub(crate) fn undo(
    txn: &mut Txn<'_>,
    position: u64,
    change: &str,
    at: i64,
) -> Result<(bool, Vec<Confirmation>), Interrupt> {
    let key = position.to_be_bytes();
    let Some(bytes) = txn.read(MapId::RESOLVED, &key)? else {
        return Err(Error::new(Code::ConflictNotFound, "nothing was resolved at that position").into());
    };
    let resolved: Resolved = system::from_json(&bytes)?;
    let Resolved { entry, left, .. } = &resolved;
    txn.delete(MapId::RESOLVED, &key);
    let waiting = pending::get(txn, position)?;
    match (&waiting, left) {
        (Some(waiting), Some(left)) if waiting == left => {
            Counter::Pending.add(txn, -1)?;
            reopen(txn, position, &resolved)?;
        }
        (None, None) => reopen(txn, position, &resolved)?,
        (_, Some(left)) if left.op == Op::Update => return write_back(txn, &resolved, left, change, at),
        _ => {
            let detail = format!("{} \"{}\": the deletion has gone to the server", entry.entity, entry.id);
            return Err(Error::new(Code::ConflictTooLate, detail).into());
        }
    }
    Ok((true, confirmation::end(txn, entry, Ending::Conflict, None, None)?))
}

fn reopen(txn: &mut Txn<'_>, position: u64, resolved: &Resolved) -> Result<(), Interrupt> {
    let Resolved { entry, server, taken, .. } = resolved;
    let row = txn.row(&entry.entity, &entry.id)?;
    let base = match row {
        Some(row) if row.dirty => pending::base(txn, &entry.entity, &entry.id)?,
        // Without local changes, the row is the server's.
        row => row,
    };
    pending::put(txn, position, entry)?;
    for (place, later) in taken {
        pending::put(txn, *place, later)?;
        Counter::Pending.add(txn, 1)?;
    }
    open(txn, position, entry, server.as_ref())?;
    rebase::rebuild(txn, &entry.entity, &entry.id, base.as_ref())
}

/// The server has what was decided, or is about to: what it had before is written as a new change.
fn write_back(
    txn: &mut Txn<'_>,
    resolved: &Resolved,
    left: &Entry,
    change: &str,
    at: i64,
) -> Result<(bool, Vec<Confirmation>), Interrupt> {
    let before = resolved.server.as_ref().map(|row| &row.fields);
    let value = |name: &str| before.and_then(|fields| fields.get(name)).cloned().unwrap_or_default();
    let fields: Fields = left.set.iter().map(|(name, _)| (name.clone(), value(name))).collect();
    let (entity, id) = (left.entity.clone(), left.id.clone());
    let back = LocalWrite { op: Op::Update, entity, id, fields, change: change.to_owned(), at };
    Ok((false, write(txn, &back)?))
}
