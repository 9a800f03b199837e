//! Which changes go to the server next. They get their `seq` here, durably, before the request leaves.

use whimbrel_protocol::{BODY_BYTES_MAX, Change, Op, PROTOCOL_VERSION, PUSH_CHANGES_MAX, PushRequest};

use super::bytes::Bytes;
use super::outbox::Entry;
use super::system::{self, Counter, from_json};
use super::transfer::check_importing;
use super::{Interrupt, MapId, Read, Txn, inbox, pending};
use crate::error::{Code, Error};

/// Bytes of the changes of one request, at most; the rest of the body is small.
const CHANGES_BYTES_MAX: usize = BODY_BYTES_MAX - 4 * 1024;

/// A request, and how much waits behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The request.
    pub request: PushRequest,
    /// Changes that wait and are not in it. Not all of them need to be the unit's.
    pub remaining: u64,
    /// From this `seq` on, the changes were in no request before.
    pub first_new: u64,
}

/// The next batch of changes of these entities, or `None` when nothing is to be sent.
///
/// Changes that were sent before and not answered come first, whatever their entity: the server takes numbers in order only.
///
/// # Errors
/// Those of the store.
pub fn next_batch(txn: &mut Txn<'_>, entities: &[String]) -> Result<Option<Batch>, Interrupt> {
    next_batch_of(txn, entities, PUSH_CHANGES_MAX)
}

/// The same, of so many changes at most.
///
/// # Errors
/// Those of the store.
pub fn next_batch_of(txn: &mut Txn<'_>, entities: &[String], size: usize) -> Result<Option<Batch>, Interrupt> {
    check_importing(txn)?;
    let mut room = Room { changes: size.clamp(1, PUSH_CHANGES_MAX), ..Room::default() };
    let mut changes: Vec<Change> = sent(txn, &mut room)?;
    let first_new = Counter::Seq.get(txn)? + 1;
    let unsent = unsent(txn, entities, &mut room, &[])?;
    number(txn, unsent, &mut changes)?;
    request(txn, changes, first_new, 0)
}

/// The batch behind one that is on its way: it leaves when that one was answered, whatever was answered. So it ends before a change of a record that
/// has one there: that is made on what the server will say.
///
/// # Errors
/// Those of the store.
pub fn batch_behind(
    txn: &mut Txn<'_>,
    entities: &[String],
    size: usize,
    flying: &Batch,
) -> Result<Option<Batch>, Interrupt> {
    let mut room = Room { changes: size.clamp(1, PUSH_CHANGES_MAX), ..Room::default() };
    let flying = &flying.request.changes;
    let mut records: Vec<&str> = flying.iter().map(|change| change.id.as_str()).collect();
    records.sort_unstable();
    let first_new = Counter::Seq.get(txn)? + 1;
    let (unsent, mut changes) = (unsent(txn, entities, &mut room, &records)?, Vec::new());
    number(txn, unsent, &mut changes)?;
    request(txn, changes, first_new, flying.len())
}

/// Gives changes their numbers, durably with this transaction.
fn number(txn: &mut Txn<'_>, unsent: Vec<Unsent>, changes: &mut Vec<Change>) -> Result<(), Interrupt> {
    if unsent.is_empty() {
        return Ok(());
    }
    let mut seq = Counter::Seq.get(txn)?;
    for Unsent { position, json, entry } in unsent {
        seq += 1;
        pending::number(txn, position, &json, seq);
        changes.push(entry.into_change(seq));
    }
    Counter::Seq.set(txn, seq);
    Ok(())
}

/// The request with these changes; none when there are none.
fn request(txn: &Txn<'_>, changes: Vec<Change>, first_new: u64, flying: usize) -> Result<Option<Batch>, Interrupt> {
    if changes.is_empty() {
        return Ok(None);
    }
    let client = system::client_id(txn)?.ok_or_else(|| Error::new(Code::Internal, "the store has no client id"))?;
    let (schema, ack, user) = (txn.schema().version, Counter::Ack.get(txn)?, system::user(txn)?);
    let remaining = Counter::Pending.get(txn)?.saturating_sub((changes.len() + flying) as u64);
    let (history, end) = (system::history(txn)?, false);
    let request = PushRequest { protocol: PROTOCOL_VERSION, client, schema, ack, history, end, user, changes };
    Ok(Some(Batch { request, remaining, first_new }))
}

/// When the change was written that has waited longest, by the device's clock.
///
/// # Errors
/// Those of the store.
pub(super) fn oldest(view: &impl Read) -> Result<Option<i64>, Interrupt> {
    let first = view.scan_prefix(MapId::OUTBOX, &[]).next();
    let Some((_, bytes)) = first.transpose()? else { return Ok(None) };
    let entry: Entry = from_json(&bytes)?;
    Ok(Some(entry.at))
}

/// Whether a unit has changes to send.
///
/// # Errors
/// Those of the store.
pub(super) fn has_changes(view: &impl Read, entities: &[String]) -> Result<bool, Interrupt> {
    let mut one = Room { changes: 1, ..Room::default() };
    Ok(!sent(view, &mut one)?.is_empty() || !unsent(view, entities, &mut one, &[])?.is_empty())
}

/// The room that is left in a request.
struct Room {
    changes: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { changes: PUSH_CHANGES_MAX, bytes: CHANGES_BYTES_MAX }
    }
}

impl Room {
    /// Whether a change of that size goes in; once one does not, nothing behind it does.
    const fn take(&mut self, bytes: usize) -> bool {
        if self.changes == 0 || self.bytes < bytes {
            self.changes = 0;
            return false;
        }
        self.changes -= 1;
        self.bytes -= bytes;
        true
    }
}

/// Changes that were sent and not answered, by `seq`.
fn sent(view: &impl Read, room: &mut Room) -> Result<Vec<Change>, Interrupt> {
    let mut found = Vec::new();
    for item in view.scan_prefix(MapId::SENT, &[]) {
        let (seq, position) = item?;
        let Some(bytes) = view.get(MapId::OUTBOX, &position)? else { continue };
        if !room.take(bytes.len()) {
            break;
        }
        let entry: Entry = from_json(&bytes)?;
        found.push(entry.into_change(system::number(&seq)));
    }
    Ok(found)
}

/// A change that was not sent.
struct Unsent {
    position: u64,
    /// As it is stored.
    json: Bytes,
    entry: Entry,
}

/// Changes that were not sent, in the order they were written, without those of a record that waits for a decision, and those that have nothing
/// to stand on before a refused new record is sent again; up to the first one of a record of `until`, which is sorted.
fn unsent(view: &impl Read, entities: &[String], room: &mut Room, until: &[&str]) -> Result<Vec<Unsent>, Interrupt> {
    let mut found = Vec::new();
    let mut blocked: Vec<(String, String)> = Vec::new();
    let mut missing = inbox::missing_records(view)?;
    let schema = view.schema();
    for item in view.scan_prefix(MapId::OUTBOX, &[]) {
        let (position, json) = item?;
        let entry: Entry = from_json(&json)?;
        if entry.conflict {
            blocked.push((entry.entity.clone(), entry.id.clone()));
        }
        let goes = entry.is_open() && entities.contains(&entry.entity);
        if !goes || blocked.iter().any(|(entity, id)| *entity == entry.entity && *id == entry.id) {
            continue;
        }
        if !missing.is_empty() && inbox::depends(schema.entity(&entry.entity)?, &entry, &missing) {
            if entry.op == Op::Create {
                missing.push((entry.entity, entry.id));
            }
            continue;
        }
        if until.binary_search(&entry.id.as_str()).is_ok() || !room.take(json.len()) {
            break;
        }
        found.push(Unsent { position: system::number(&position), json, entry });
    }
    Ok(found)
}
