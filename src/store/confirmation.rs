//! What became of a change, kept for a while so that `confirmed` can be asked for again after a reload.

use serde::Serialize;

use super::outbox::Entry;
use super::system::from_json;
use super::{Interrupt, MapId, Read, Txn};
use crate::error::Result;
use crate::json::{FromJson, Object, to_json};

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// The change's id.
    pub change: String,
    /// The record's entity.
    pub entity: String,
    /// The record's id.
    pub id: String,
    /// Its end.
    pub outcome: Ending,
    /// The row's version, when the server accepted it. None for a record that was made and deleted before it was ever sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// The server has it.
    Accepted,
    /// It met a newer row and is kept among the conflicts.
    Conflict,
    /// The server refused it; it is kept in the inbox.
    Rejected,
    /// The user has given it up.
    Discarded,
}

impl Ending {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
        }
    }
}

impl FromJson for Confirmation {
    fn from_json(mut object: Object) -> Result<Self> {
        let outcome = object.text("outcome")?;
        let known = [Ending::Accepted, Ending::Conflict, Ending::Rejected, Ending::Discarded];
        Ok(Self {
            change: object.text("change")?,
            entity: object.text("entity")?,
            id: object.text("id")?,
            outcome: known
                .into_iter()
                .find(|known| known.as_str() == outcome)
                .ok_or_else(|| object.wrong("outcome"))?,
            version: object.optional_number("version")?,
            code: object.optional_text("code")?,
            message: object.optional_text("message")?,
        })
    }
}

/// How long a confirmation can be asked for.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Old confirmations that one transaction forgets, at most.
const FORGOTTEN_AT_ONCE: usize = 64;

/// The server has the changes of an entry.
pub(super) fn accepted(
    txn: &mut Txn<'_>,
    entry: &Entry,
    version: Option<u64>,
) -> std::result::Result<Vec<Confirmation>, Interrupt> {
    end(txn, entry, Ending::Accepted, version, None)
}

/// Stores the end of every change that an entry answers for; `why` is the code and the text of a refusal.
pub(super) fn end(
    txn: &mut Txn<'_>,
    entry: &Entry,
    outcome: Ending,
    version: Option<u64>,
    why: Option<(&str, &str)>,
) -> std::result::Result<Vec<Confirmation>, Interrupt> {
    let mut confirmations = Vec::new();
    for change in entry.change_ids() {
        let confirmation = Confirmation {
            change: change.to_owned(),
            entity: entry.entity.clone(),
            id: entry.id.clone(),
            outcome,
            version,
            code: why.map(|(code, _)| code.to_owned()),
            message: why.map(|(_, message)| message.to_owned()),
        };
        keep(txn, &confirmation)?;
        confirmations.push(confirmation);
    }
    Ok(confirmations)
}

/// Stores what became of a change.
pub(super) fn keep(txn: &mut Txn<'_>, confirmation: &Confirmation) -> std::result::Result<(), Interrupt> {
    txn.put(MapId::CONFIRMED, confirmation.change.as_bytes(), to_json(confirmation)?);
    Ok(())
}

/// What became of a change, if it has come to its end and is still remembered.
///
/// # Errors
/// Those of the store.
pub(super) fn confirmation(view: &impl Read, change: &str) -> Result<Option<Confirmation>, Interrupt> {
    view.read(MapId::CONFIRMED, change.as_bytes())?.map(|bytes| from_json(&bytes)).transpose()
}

/// Forgets a few of the oldest, and of the resolutions that can no longer be undone. Change ids are UUIDs of version 7, so their order is that of time.
///
/// # Errors
/// Those of the store.
pub(crate) fn forget_old(txn: &mut Txn<'_>, now: i64) -> Result<(), Interrupt> {
    let Ok(horizon) = u64::try_from(now - KEPT_MS) else { return Ok(()) };
    let horizon = format!("{:08x}-{:04x}", horizon >> 16, horizon & 0xffff);
    let oldest = txn.scan_prefix(MapId::CONFIRMED, &[]).take(FORGOTTEN_AT_ONCE);
    let oldest: Vec<Vec<u8>> = oldest.map(|item| item.map(|(key, _)| key)).collect::<Result<_, _>>()?;
    for key in oldest.iter().filter(|key| key.as_slice() < horizon.as_bytes()) {
        txn.delete(MapId::CONFIRMED, key);
    }
    super::conflict::forget_old(txn, now)
}
