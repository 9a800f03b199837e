//! What the server said of the changes that were sent, made true here: one transaction per answer.
//!
//! **Invariant:** an entry leaves the outbox only in the transaction that stores what became of it.

use std::collections::BTreeMap;

use serde::Serialize;
use whimbrel_protocol::{ChangeOutcome, Fields, Op, Outcome, ServerRow};

use super::bytes::Bytes;
use super::confirmation::{self, Confirmation, Ending};
use super::outbox::Entry;
use super::system::{self, Counter};
use super::upcast::REMOVED;
use super::{Interrupt, MapId, Read, Txn, accept, conflict, pending, poison, rebase, unplaced};
use crate::json::to_json;
use crate::model::Row;

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Changes that have come to their end, to be told to the app.
    pub confirmed: Vec<Confirmation>,
    /// Changes decided.
    pub decided: u64,
    /// Of these, refused.
    pub rejected: u64,
    /// Of these, in conflict.
    pub conflicts: u64,
    /// The server wants a pause of so many milliseconds before the rest.
    pub retry_after_ms: Option<u64>,
}

/// Settles the outcomes of a push. Outcomes of changes that are settled already (another tab was first) are passed over.
///
/// # Errors
/// Those of the store.
pub fn settle(txn: &mut Txn<'_>, outcomes: &[ChangeOutcome]) -> Result<Settled, Interrupt> {
    let mut settled = Settled::default();
    let known = Counts::read(txn)?;
    let mut counts = known;
    for ChangeOutcome { seq, outcome } in outcomes {
        if let Outcome::Retry { after_ms } = outcome {
            settled.retry_after_ms = Some(*after_ms);
            break;
        }
        let Some((position, json)) = sent(txn, *seq)? else { continue };
        settled.decided += 1;
        counts.ack = counts.ack.max(*seq);
        if let Outcome::Accepted { version } | Outcome::Duplicate { version } = outcome
            && let Some(confirmed) = accept::plainly(txn, position, &json, *version)?
        {
            counts.accepted += 1;
            counts.first += u64::from(position == counts.first);
            settled.confirmed.push(confirmed);
            continue;
        }
        let entry: Entry = system::from_json(&json)?;
        let is_known = txn.view().table(&entry.entity).is_ok();
        match outcome {
            // The entity was removed from the schema since: there is no row to make true.
            Outcome::Accepted { version } | Outcome::Duplicate { version } if !is_known => {
                counts.accepted += 1;
                pending::take(txn, position, &entry);
                settled.confirmed.extend(confirmation::accepted(txn, &entry, Some(*version))?);
            }
            Outcome::Accepted { version } | Outcome::Duplicate { version } => {
                counts.accepted += 1;
                accept::accept(txn, position, &entry, *version)?;
                settled.confirmed.extend(confirmation::accepted(txn, &entry, Some(*version))?);
            }
            Outcome::Conflict { .. } if !is_known => {
                let (code, message) = REMOVED;
                reject(txn, &mut settled, position, &entry, &Refusal { code, message, fields: &BTreeMap::new() })?;
            }
            Outcome::Conflict { row } => {
                settled.conflicts += 1;
                meet(txn, position, &entry, row.as_ref())?;
                settled.confirmed.extend(confirmation::end(txn, &entry, Ending::Conflict, None, None)?);
            }
            Outcome::Rejected { code, message, fields } => {
                let (code, message): (&str, &str) =
                    if poison::is_emptied(&entry) { poison::REASON } else { (code, message) };
                let refusal = Refusal { code, message, fields };
                reject(txn, &mut settled, position, &entry, &refusal)?;
            }
            Outcome::Superseded { version, fields } => {
                pending::remove(txn, position, &entry)?;
                settled.confirmed.extend(confirmation::accepted(txn, &entry, Some(*version))?);
                if is_known {
                    settled.confirmed.extend(supersede(txn, &entry, *version, fields.as_ref())?);
                }
            }
            Outcome::Retry { .. } => {}
        }
    }
    counts.write(txn, known)?;
    Ok(settled)
}

/// Counters that are written once: that is as many keys less for each change.
#[derive(Clone, Copy)]
struct Counts {
    ack: u64,
    /// Where the outbox begins, as far as that is seen here: so nobody has to walk over what has just left.
    first: u64,
    accepted: i64,
}

impl Counts {
    fn read(view: &impl Read) -> Result<Self, Interrupt> {
        Ok(Self { ack: Counter::Ack.get(view)?, first: Counter::First.get(view)?, accepted: 0 })
    }

    fn write(self, txn: &mut Txn<'_>, known: Self) -> Result<(), Interrupt> {
        if self.ack > known.ack {
            Counter::Ack.set(txn, self.ack);
        }
        if self.first > known.first {
            Counter::First.set(txn, self.first);
        }
        if self.accepted > 0 {
            Counter::Pending.add(txn, -self.accepted)?;
        }
        Ok(())
    }
}

/// The entry that was sent under a number, and its position.
fn sent(view: &impl Read, seq: u64) -> Result<Option<(u64, Bytes)>, Interrupt> {
    let Some(position) = view.read(MapId::SENT, &seq.to_be_bytes())? else { return Ok(None) };
    Ok(view.get(MapId::OUTBOX, &position)?.map(|json| (system::number(&position), json)))
}

/// The change waits for a decision. The record keeps showing what the user wrote over the server's row, whatever pulls bring.
pub(super) fn meet(
    txn: &mut Txn<'_>,
    position: u64,
    entry: &Entry,
    server: Option<&ServerRow>,
) -> Result<(), Interrupt> {
    pending::remove(txn, position, entry)?;
    let waiting = Entry { seq: None, sent: None, conflict: true, ..entry.clone() };
    pending::put(txn, position, &waiting)?;
    conflict::open(txn, position, &waiting, server)?;
    let base = pending::base(txn, &entry.entity, &entry.id)?;
    // What the server has is kept up to date by pulls; a newer row may have come already.
    let server = match (server, base) {
        (Some(row), Some(base)) if base.version >= row.version => Some(base),
        (Some(row), base) => Some(met(txn, entry, row, base)?),
        (None, _) => None,
    };
    rebase::rebuild(txn, &entry.entity, &entry.id, server.as_ref())
}

/// The row that the server has said, in the buckets of the one that was known.
fn met(txn: &mut Txn<'_>, entry: &Entry, row: &ServerRow, base: Option<Row>) -> Result<Row, Interrupt> {
    if base.as_ref().is_none_or(|base| base.buckets.is_empty()) {
        unplaced::mark(txn, &entry.entity, &entry.id, row.version)?;
    }
    let met = conflict::to_row(txn, &entry.entity, row, base.as_ref())?;
    Ok(Row { buckets: base.map(|base| base.buckets).unwrap_or_default(), ..met })
}

/// Somebody else has added or removed the pair after this change: it is as the server has it. What was written to a pair that is gone is gone with
/// it. Returns what has come to its end by that.
fn supersede(
    txn: &mut Txn<'_>,
    entry: &Entry,
    version: u64,
    fields: Option<&Fields>,
) -> Result<Vec<Confirmation>, Interrupt> {
    let Entry { entity, id, .. } = entry;
    let mut ended = Vec::new();
    let server = match (fields, pending::base(txn, entity, id)?) {
        (_, Some(base)) if base.version >= version => Some(base),
        (Some(fields), base) => Some(met(txn, entry, &ServerRow { version, fields: fields.clone() }, base)?),
        (None, _) => {
            unplaced::mark(txn, entity, id, version)?;
            for (position, later) in pending::of_record(txn, entity, id)? {
                if later.op != Op::Update || later.seq.is_some() {
                    break;
                }
                pending::remove(txn, position, &later)?;
                ended.extend(confirmation::accepted(txn, &later, Some(version))?);
            }
            None
        }
    };
    rebase::rebuild(txn, entity, id, server.as_ref())?;
    Ok(ended)
}

/// A refused change as it is kept.
#[derive(Serialize)]
pub(super) struct RefusalRecord<'a> {
    pub(super) entry: &'a Entry,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a BTreeMap<String, String>,
}

/// A change that is refused for a reason of this device.
pub(super) fn refusal_json(entry: &Entry, (code, message): (&str, &str)) -> Result<Vec<u8>, Interrupt> {
    Ok(to_json(&RefusalRecord { entry, code, message, fields: &BTreeMap::new() })?)
}

struct Refusal<'a> {
    code: &'a str,
    message: &'a str,
    fields: &'a BTreeMap<String, String>,
}

/// The change moves to the inbox and the record shows the server's row again. What was written on top of a refused new record has
/// nothing to stand on and moves along.
fn reject(
    txn: &mut Txn<'_>,
    settled: &mut Settled,
    position: u64,
    entry: &Entry,
    refusal: &Refusal<'_>,
) -> Result<(), Interrupt> {
    let mut refused = vec![(position, entry.clone())];
    let is_known = txn.view().table(&entry.entity).is_ok();
    if entry.op == Op::Create && is_known {
        let later = pending::of_record(txn, &entry.entity, &entry.id)?;
        refused.extend(later.into_iter().filter(|(place, later)| *place != position && later.seq.is_none()));
    }
    for (position, entry) in &refused {
        let Refusal { code, message, fields } = *refusal;
        let record = to_json(&RefusalRecord { entry: &Entry { sent: None, ..entry.clone() }, code, message, fields })?;
        txn.put(MapId::INBOX, &position.to_be_bytes(), record);
        pending::remove(txn, *position, entry)?;
        Counter::Rejected.add(txn, 1)?;
        settled.rejected += 1;
        let refused = confirmation::end(txn, entry, Ending::Rejected, None, Some((code, message)))?;
        settled.confirmed.extend(refused);
    }
    if !is_known {
        return Ok(());
    }
    let base = pending::base(txn, &entry.entity, &entry.id)?;
    rebase::rebuild(txn, &entry.entity, &entry.id, base.as_ref())
}
