//! Which changes go to the server next. They get their `seq` here, durably, before the request leaves.

use std::ops::Range;
use std::rc::Rc;

use whimbrel_protocol::{BODY_BYTES_MAX, Op, PROTOCOL_VERSION, PUSH_CHANGES_MAX, PushRequest};

use super::bytes::Bytes;
use super::envelope::{Envelope, is_numbered, put_change, put_words};
use super::outbox::Entry;
use super::system::{self, Counter, from_json};
use super::transfer::check_importing;
use super::{Interrupt, MapId, Read, Txn, inbox, pending};
use crate::error::{Code, Error};
use crate::json::to_text;

/// Bytes of the changes of one request, at most; the rest of the body is small.
const CHANGES_BYTES_MAX: usize = BODY_BYTES_MAX - 4 * 1024;

/// A request, and how much waits behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The request as JSON.
    pub body: String,
    /// The same without its changes.
    pub head: PushRequest,
    /// What is in it, in the order of the numbers.
    pub changes: Vec<Outgoing>,
    /// Changes that wait and are not in it. Not all of them need to be the unit's.
    pub remaining: u64,
    /// From this `seq` on, the changes were in no request before.
    pub first_new: u64,
}

/// A change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number.
    pub seq: u64,
    /// The record's id.
    pub id: String,
}

/// The changes of a request that is being made.
#[derive(Default)]
struct Changes {
    /// As JSON, one after the other.
    json: Vec<u8>,
    all: Vec<Outgoing>,
}

impl Changes {
    /// Adds an entry; `words` are those of one that is plain.
    fn add(&mut self, entry: &[u8], words: Option<&[u8]>, id: String, seq: u64) -> Result<(), Interrupt> {
        if !self.all.is_empty() {
            self.json.push(b',');
        }
        match words {
            Some(words) => put_words(words, seq, &mut self.json),
            None => put_change(entry, seq, &mut self.json)?,
        }
        self.all.push(Outgoing { seq, id });
        Ok(())
    }
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
    pending::note_first(txn)?;
    let mut room = Room { changes: size.clamp(1, PUSH_CHANGES_MAX), ..Room::default() };
    let mut changes = sent(txn, &mut room)?;
    let first_new = Counter::Seq.get(txn)? + 1;
    let unsent = unsent(txn, entities, &mut room, &[])?;
    number(txn, unsent, &mut changes)?;
    request(txn, changes, first_new, 0)
}

/// The batch behind those that are on their way or leave before it: it leaves when they were answered, whatever was answered. So it ends before a
/// change of a record that has one there: that is made on what the server will say.
///
/// # Errors
/// Those of the store.
pub fn batch_behind(
    txn: &mut Txn<'_>,
    entities: &[String],
    size: usize,
    before: &[Rc<Batch>],
) -> Result<Option<Batch>, Interrupt> {
    pending::note_first(txn)?;
    let mut room = Room { changes: size.clamp(1, PUSH_CHANGES_MAX), ..Room::default() };
    let before = before.iter().flat_map(|batch| &batch.changes);
    let mut records: Vec<&str> = before.map(|change| change.id.as_str()).collect();
    records.sort_unstable();
    let first_new = Counter::Seq.get(txn)? + 1;
    let (unsent, mut changes) = (unsent(txn, entities, &mut room, &records)?, Changes::default());
    number(txn, unsent, &mut changes)?;
    request(txn, changes, first_new, records.len())
}

/// Gives changes their numbers, durably with this transaction.
fn number(txn: &mut Txn<'_>, unsent: Vec<Unsent>, changes: &mut Changes) -> Result<(), Interrupt> {
    if unsent.is_empty() {
        return Ok(());
    }
    let mut seq = Counter::Seq.get(txn)?;
    for Unsent { position, json, passing: Passing { id, words } } in unsent {
        seq += 1;
        pending::number(txn, position, &json, seq);
        changes.add(&json, words.and_then(|words| json.get(words)), id, seq)?;
    }
    Counter::Seq.set(txn, seq);
    Ok(())
}

/// The request with these changes; none when there are none.
fn request(txn: &Txn<'_>, changes: Changes, first_new: u64, before: usize) -> Result<Option<Batch>, Interrupt> {
    let Changes { json, all: changes } = changes;
    if changes.is_empty() {
        return Ok(None);
    }
    let client = system::client_id(txn)?.ok_or_else(|| Error::new(Code::Internal, "the store has no client id"))?;
    let (schema, ack, user) = (txn.schema().version, Counter::Ack.get(txn)?, system::user(txn)?);
    let remaining = Counter::Pending.get(txn)?.saturating_sub((changes.len() + before) as u64);
    let (history, end) = (system::history(txn)?, false);
    let head = PushRequest { protocol: PROTOCOL_VERSION, client, schema, ack, history, end, user, changes: Vec::new() };
    let json = String::from_utf8(json).map_err(|_| Error::new(Code::StoreCorrupt, "a change is not UTF-8"))?;
    // The changes are the last member.
    let mut body = to_text(&head)?;
    body.truncate(body.len().saturating_sub(2));
    body.extend([&json, "]}"]);
    Ok(Some(Batch { body, head, changes, remaining, first_new }))
}

/// When the change was written that has waited longest, by the device's clock.
///
/// # Errors
/// Those of the store.
pub(super) fn oldest(view: &impl Read) -> Result<Option<i64>, Interrupt> {
    let Some((_, bytes)) = pending::all(view)?.next().transpose()? else { return Ok(None) };
    let entry: Entry = from_json(&bytes)?;
    Ok(Some(entry.at))
}

/// Whether a unit has changes to send.
///
/// # Errors
/// Those of the store.
pub(super) fn has_changes(view: &impl Read, entities: &[String]) -> Result<bool, Interrupt> {
    let mut one = Room { changes: 1, ..Room::default() };
    Ok(!sent(view, &mut one)?.all.is_empty() || !unsent(view, entities, &mut one, &[])?.is_empty())
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
fn sent(view: &impl Read, room: &mut Room) -> Result<Changes, Interrupt> {
    let mut found = Changes::default();
    for item in view.scan_prefix(MapId::SENT, &[]) {
        let (seq, position) = item?;
        let Some(json) = view.get(MapId::OUTBOX, &position)? else { continue };
        if !room.take(json.len()) {
            break;
        }
        let (id, words) = match Envelope::read(&json) {
            Some(Envelope { id, words, .. }) => (id.to_owned(), Some(words)),
            None => (from_json::<Entry>(&json)?.id, None),
        };
        found.add(&json, words, id, system::number(&seq))?;
    }
    Ok(found)
}

/// A change that was not sent.
struct Unsent {
    position: u64,
    /// As it is stored.
    json: Bytes,
    passing: Passing,
}

/// What is read of an entry that may go.
struct Passing {
    /// The record's id.
    id: String,
    /// Where the words of a plain one are.
    words: Option<Range<usize>>,
}

/// Changes that were not sent, in the order they were written; up to the first one of a record of `until`, which is sorted.
fn unsent(view: &impl Read, entities: &[String], room: &mut Room, until: &[&str]) -> Result<Vec<Unsent>, Interrupt> {
    let mut found = Vec::new();
    let mut sieve = Sieve { entities, blocked: Vec::new(), missing: inbox::missing_records(view)? };
    for item in pending::all(view)? {
        let (position, json) = item?;
        let Some(passing) = sieve.passes(view, &json)? else { continue };
        if until.binary_search(&passing.id.as_str()).is_ok() || !room.take(json.len()) {
            break;
        }
        found.push(Unsent { position: system::number(&position), json, passing });
    }
    Ok(found)
}

/// Entity and id.
type Record = (String, String);

/// What is left back: changes of a record that waits for a decision, and those that have nothing to stand on before a refused new record is sent again.
struct Sieve<'a> {
    entities: &'a [String],
    blocked: Vec<Record>,
    missing: Vec<Record>,
}

impl Sieve<'_> {
    /// The next entry, if it may go.
    fn passes(&mut self, view: &impl Read, json: &[u8]) -> Result<Option<Passing>, Interrupt> {
        if is_numbered(json) {
            return Ok(None);
        }
        if self.missing.is_empty()
            && let Some(Envelope { entity, id, seq: None, words, .. }) = Envelope::read(json)
        {
            let passing = || Passing { id: id.to_owned(), words: Some(1..words.len() + 1) };
            return Ok(self.lets_by(entity, id).then(passing));
        }
        let entry: Entry = from_json(json)?;
        if entry.conflict {
            self.blocked.push((entry.entity.clone(), entry.id.clone()));
        }
        if !entry.is_open() || !self.lets_by(&entry.entity, &entry.id) {
            return Ok(None);
        }
        if !self.missing.is_empty() && inbox::depends(view.schema().entity(&entry.entity)?, &entry, &self.missing) {
            if entry.op == Op::Create {
                self.missing.push((entry.entity, entry.id));
            }
            return Ok(None);
        }
        Ok(Some(Passing { id: entry.id, words: None }))
    }

    fn lets_by(&self, entity: &str, id: &str) -> bool {
        self.entities.iter().any(|known| known == entity)
            && !self.blocked.iter().any(|(blocked, record)| blocked == entity && record == id)
    }
}
