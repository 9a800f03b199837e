//! A change that the server cannot even refuse: every request with it fails, while the server is well otherwise.
//!
//! A batch that fails so is halved until the change is alone; what fails alone too often goes out empty under its number, which a server can
//! refuse, and so comes to the inbox. If the server had done it after all, it says so under that number, and nothing is lost.

use super::outbox::{Entry, Sent};
use super::system;
use super::{Interrupt, MapId, Read, Txn, pending};
use whimbrel_protocol::Fields;

/// How often a change may fail alone.
const LONE_FAILURES_MAX: u64 = 8;
/// The entity that an emptied change names: no entity can have that name.
const NOBODY: &str = "-";
/// Why such a change lies in the inbox.
pub(super) const REASON: (&str, &str) =
    ("push/poison", "the server failed whenever it was sent, also alone; it is kept here");

const KEY: &[u8] = b"poison";

/// A change has failed alone. When it has too often, it goes out empty from now on, and this says so.
///
/// # Errors
/// Those of the store.
pub fn failed_alone(txn: &mut Txn<'_>, seq: u64) -> Result<bool, Interrupt> {
    let Some(position) = txn.read(MapId::SENT, &seq.to_be_bytes())? else { return Ok(false) };
    let position = system::number(&position);
    let Some(entry) = pending::get(txn, position)? else { return Ok(false) };
    let known = txn.read(MapId::SYSTEM, KEY)?.unwrap_or_default();
    let count = match known.split_first_chunk() {
        Some((count, change)) if *change == *entry.change.as_bytes() => u64::from_be_bytes(*count) + 1,
        _ => 1,
    };
    if count < LONE_FAILURES_MAX {
        txn.put(MapId::SYSTEM, KEY, [count.to_be_bytes().as_slice(), entry.change.as_bytes()].concat());
        return Ok(false);
    }
    txn.delete(MapId::SYSTEM, KEY);
    let emptied = Sent { entity: NOBODY.to_owned(), set: Fields::new(), was: Fields::new() };
    pending::put(txn, position, &Entry { sent: Some(emptied), ..entry })?;
    Ok(true)
}

/// Whether a change went out empty.
pub(super) fn is_emptied(entry: &Entry) -> bool {
    entry.sent.as_ref().is_some_and(|sent| sent.entity == NOBODY)
}
