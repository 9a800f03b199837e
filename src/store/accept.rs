//! A change that the server has accepted, made true here.

use whimbrel_protocol::Op;

use super::confirmation::{self, Confirmation, Ending};
use super::envelope::Envelope;
use super::keys::inner_key;
use super::outbox::Entry;
use super::{Interrupt, MapId, Read, Txn, pending, rebase, unplaced};
use crate::model::{Policy, RowRef, encode_header};

/// What most accepted changes come to: nothing else waits for the record, so what it shows, which is this change laid over the server's row, is the
/// server's row now. Only its header is written anew. `None`, and nothing done, when it takes more than that.
pub(super) fn plainly(
    txn: &mut Txn<'_>,
    position: u64,
    json: &[u8],
    version: u64,
) -> Result<Option<Confirmation>, Interrupt> {
    let Some(Envelope { change, entity, id, op, seq: Some(seq), .. }) = Envelope::read(json) else { return Ok(None) };
    let Ok(table) = txn.view().table(entity) else { return Ok(None) };
    let (map, row_key) = (MapId(table.map), pending::record_key(txn, entity, id)?);
    let base = txn.get(MapId::BASE, &row_key)?;
    let schema = txn.schema();
    let kind = schema.entity(entity)?;
    let is_plain = match (op, &base) {
        (Op::Create, None) => kind.pair.is_none(),
        // The server merges as it sees fit.
        (Op::Update, Some(base)) => RowRef::new(base)?.version() < version && kind.policy != Policy::Merge,
        _ => false,
    };
    if !is_plain || !is_alone(txn, &row_key)? {
        return Ok(None);
    }
    let key = inner_key(&row_key);
    let Some(shown) = txn.get(map, key)? else { return Ok(None) };
    let row = RowRef::new(&shown)?;
    if row.deleted() || !row.dirty() {
        return Ok(None);
    }
    let buckets = row.buckets();
    let mut bytes = Vec::with_capacity(shown.len() + 9);
    encode_header(version, &buckets, false, false, &mut bytes);
    bytes.extend_from_slice(row.body());
    txn.put(map, key, bytes);
    if base.is_some() {
        txn.delete(MapId::BASE, &row_key);
    }
    if buckets.is_empty() {
        txn.put(MapId::UNPLACED, &row_key, version.to_be_bytes().to_vec());
    }
    pending::take_of(txn, Some(&row_key), position, Some(seq));
    let (change, entity, id) = (change.to_owned(), entity.to_owned(), id.to_owned());
    let confirmed = Confirmation {
        change,
        entity,
        id,
        outcome: Ending::Accepted,
        version: Some(version),
        code: None,
        message: None,
    };
    confirmation::keep(txn, &confirmed)?;
    Ok(Some(confirmed))
}

/// Whether one change waits for a record and no other.
fn is_alone(view: &impl Read, record: &[u8]) -> Result<bool, Interrupt> {
    let mut waiting = view.scan_prefix(MapId::PENDING, record);
    Ok(waiting.step()? && !waiting.step()?)
}

/// The change is taken out of the outbox and not counted.
pub(super) fn accept(txn: &mut Txn<'_>, position: u64, entry: &Entry, version: u64) -> Result<(), Interrupt> {
    pending::take(txn, position, entry);
    let base = pending::base(txn, &entry.entity, &entry.id)?;
    // This row or a newer one may have come by a pull while the answer was on its way: it has our change already, once.
    let overtaken = base.as_ref().is_some_and(|base| base.version >= version);
    let server = match (entry.op, overtaken) {
        (_, true) => base,
        (Op::Delete, false) => None,
        (Op::Update, false) if base.is_none() && !rebase::is_shown(txn, &entry.entity, &entry.id)? => None,
        (Op::Create | Op::Update, false) => {
            let is_servers = base.is_some();
            let mut row = base.unwrap_or_default();
            rebase::lay_over(txn, &mut row, entry, is_servers)?;
            row.version = version;
            Some(row)
        }
    };
    let mut waiting = pending::of_record(txn, &entry.entity, &entry.id)?;
    for (position, later) in &mut waiting {
        // It was written on top of the change that has just become the server's version.
        let is_on_top = match later.op {
            Op::Create => entry.op == Op::Delete,
            Op::Update | Op::Delete => entry.op == Op::Create || later.base == entry.base,
        };
        if later.seq.is_none() && is_on_top {
            later.base = later.base.max(Some(version));
            pending::put(txn, *position, later)?;
        }
    }
    let is_pair = || Ok::<_, Interrupt>(txn.schema().entity(&entry.entity)?.pair.is_some());
    if server.as_ref().map_or_else(is_pair, |row| Ok(row.buckets.is_empty()))? {
        unplaced::mark(txn, &entry.entity, &entry.id, version)?;
    }
    rebase::rebuild_from(txn, &entry.entity, &entry.id, server.as_ref(), &waiting)
}
