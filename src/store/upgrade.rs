//! Opening a store that an older schema wrote.
//!
//! ```text
//!                 all in one commit, when the rows are few
//!           ┌─────────────────────────────────────────────────────┐
//! version k ┴─► on the way (catalog.next; older tabs stop) ─chunk─► version n ─► indexes are built, chunk by chunk
//!                     │        ▲ whoever opens goes on                (kept in step, not read)
//!                     └────────┴ older code opens: given up, version k as it was
//! ```
//!
//! On the way, values of the new schema are put into new slots of the rows; those of the old one stay where they are. The commit that puts the
//! new catalog in place brings everything else along: names of buckets, and what waits in outbox, inbox and conflicts ([`super::upcast`]).
//!
//! **Invariant:** up to that commit the store is one of version k for whoever opens it; from then on it is one of version n.
//! **Invariant:** nobody who knows less than the store's catalog, or what it is on the way to, reads or writes.

use std::rc::Rc;

use super::keys::{KeyRange, MAP_BYTES, MapId, full_key};
use super::state::{CATALOG_KEY, State};
use super::{Interrupt, Read, Store, Txn, resync, system, upcast};
use crate::error::{Code, Error, Result};
use crate::json::to_json;
use crate::model::{
    Catalog, Convert, Draft, Field, Filled, Row, RowRef, Schema, Step, Upcast, Value, convert_all, converted_value,
};
use crate::ports::Storage;

/// Rows that one commit brings along, at most.
const CHUNK_ROWS: usize = 4_096;
/// Bytes of rows from which a commit takes no more.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Attempts at the first commit, some of which only find pages missing, after which it does no more than to stop older tabs.
const PATIENCE: u32 = 10;
/// How far the rows' new values are made: a full key.
const FILL_KEY: &[u8] = b"fill";
/// How far indexes are built: a full key, behind the maps of the indexes.
const BUILD_KEY: &[u8] = b"build";

/// How an app's schema came about, and its functions.
#[derive(Clone, Copy)]
pub struct Evolution<'a> {
    /// The steps, by ascending version.
    pub steps: &'a [Step],
    /// Calls a function.
    pub convert: Convert<'a>,
}

impl Default for Evolution<'_> {
    fn default() -> Self {
        Self { steps: &[], convert: &|_, _| Err(Error::new(Code::Internal, "there is no converter")) }
    }
}

impl<S: Storage> Store<S> {
    /// Brings the store to the app's schema.
    ///
    /// # Errors
    /// `store/newer`, and then the store was not written to; `schema/invalid`, `schema/step-failed`; those of the storage.
    pub(super) async fn evolve(&self, evolution: Evolution<'_>) -> Result<()> {
        self.core.is_evolving.set(true);
        let evolved = self.evolve_on(evolution).await;
        self.core.is_evolving.set(false);
        evolved
    }

    async fn evolve_on(&self, evolution: Evolution<'_>) -> Result<()> {
        while is_due(&self.core.state.borrow(), evolution)? {
            let mut attempts = 0;
            let mut plan = |txn: &mut Txn<'_>| {
                attempts += 1;
                advance(txn, evolution, attempts > PATIENCE)
            };
            self.change(&mut plan).await?;
        }
        Ok(())
    }
}

/// The catalog that the steps lead to which the store has before it.
fn draft(known: &Catalog, schema: &Schema, evolution: Evolution<'_>) -> Result<Draft> {
    let made = evolution.steps.iter().take_while(|step| step.version <= known.version()).count();
    Draft::new(known, evolution.steps.get(made..).unwrap_or_default(), schema)
}

fn is_due(state: &State, evolution: Evolution<'_>) -> Result<bool> {
    let known = &state.catalog;
    if known.version() > state.schema.version {
        return Err(newer(known, &state.schema));
    }
    Ok(!known.building().is_empty() || draft(known, &state.schema, evolution)?.catalog != *known)
}

/// The error of code that is older than what it finds.
pub(super) fn newer(known: &Catalog, schema: &Schema) -> Error {
    let detail =
        format!("the store has version {} of the schema, this app has version {}", known.newest(), schema.version);
    Error::new(Code::StoreNewer, detail)
}

/// One commit on the way.
fn advance(txn: &mut Txn<'_>, evolution: Evolution<'_>, in_haste: bool) -> Result<(), Interrupt> {
    let (known, schema) = (&txn.state.catalog, Rc::clone(&txn.state.schema));
    if known.version() > schema.version {
        return Err(newer(known, &schema).into());
    }
    let draft = draft(known, &schema, evolution)?;
    let begun = known.next().map(|next| *next == draft.catalog);
    if begun == Some(false) {
        let mut as_it_was = known.clone();
        as_it_was.abandon();
        txn.delete(MapId::SYSTEM, FILL_KEY);
        return put_catalog(txn, &as_it_was);
    }
    if begun.is_none() && draft.catalog == *known {
        return build(txn);
    }
    for (map, why) in &draft.wanting {
        if begun.is_none() && txn.scan_prefix(MapId(*map), &[]).step()? {
            return Err(Error::new(Code::SchemaInvalid, why.as_str()).into());
        }
    }
    if in_haste && begun.is_none() && !draft.fills.is_empty() {
        // Other tabs write faster than rows are converted. First they have to stop.
        return set_out(txn, draft.catalog);
    }
    if let Some(progress) = fill(txn, &draft, &schema, evolution.convert)? {
        txn.put(MapId::SYSTEM, FILL_KEY, progress);
        if begun.is_none() {
            set_out(txn, draft.catalog)?;
        }
        return Ok(());
    }
    if begun.is_some() {
        txn.delete(MapId::SYSTEM, FILL_KEY);
    }
    for (before, after) in &draft.renamed {
        system::rename_buckets(txn, before, after)?;
    }
    for entity in &draft.grown {
        for (bucket, _) in system::buckets_of(txn, entity)? {
            resync::restart_bucket(txn, &bucket)?;
        }
    }
    if !draft.fills.is_empty() || evolution.steps.last().is_some_and(|step| step.version > known.version()) {
        upcast::queue(txn, known, Upcast { steps: evolution.steps, schema: &schema, convert: evolution.convert })?;
    }
    put_catalog(txn, &draft.catalog)
}

/// From here on older tabs stop.
fn set_out(txn: &mut Txn<'_>, next: Catalog) -> Result<(), Interrupt> {
    let mut on_the_way = txn.state.catalog.clone();
    on_the_way.set_next(next);
    put_catalog(txn, &on_the_way)
}

fn put_catalog(txn: &mut Txn<'_>, catalog: &Catalog) -> Result<(), Interrupt> {
    let json = to_json(catalog)?;
    txn.put(MapId::SYSTEM, CATALOG_KEY, json);
    Ok(())
}

/// Rows on their way into a commit: full key, row, and whose they are.
type Taken = Vec<(Vec<u8>, Row)>;

/// Makes the new values of some rows, and of what the server has of changed ones. Gives the key of the last one, or nothing when all are made.
fn fill(txn: &mut Txn<'_>, draft: &Draft, schema: &Schema, convert: Convert<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
    let done = txn.read(MapId::SYSTEM, FILL_KEY)?;
    let mut ranges: Vec<(KeyRange, &Filled)> = Vec::new();
    for filled in &draft.fills {
        ranges.push((KeyRange::prefix(MapId::BASE, &filled.map.to_be_bytes()), filled));
        ranges.push((KeyRange::map(MapId(filled.map)), filled));
    }
    ranges.sort_by(|left, right| left.0.start.cmp(&right.0.start));
    let mut room = Room::default();
    let (mut rows, mut last) = (Vec::new(), None);
    for (range, filled) in ranges {
        let mut taken = Taken::new();
        let is_whole = room.walk(txn, after(range, done.as_deref()), |key, value| {
            taken.push((key.to_vec(), RowRef::new(value)?.to_row()));
            Ok(())
        })?;
        last = taken.last().map(|(key, _)| key.clone()).or(last);
        fill_rows(&mut taken, filled, schema, convert)?;
        rows.extend(taken.into_iter().map(|(key, row)| (key, row.encode())));
        if !is_whole {
            txn.put_all(rows);
            return Ok(last);
        }
    }
    txn.put_all(rows);
    Ok(None)
}

fn fill_rows(rows: &mut Taken, filled: &Filled, schema: &Schema, convert: Convert<'_>) -> Result<()> {
    let Some(entity) = schema.entities.get(filled.place) else { return Ok(()) };
    for (_, row) in rows.iter_mut() {
        row.values.resize(filled.slots, Value::Null);
    }
    for fill in &filled.fills {
        let Some(field) = entity.fields.get(fill.place) else { continue };
        let values = match &fill.source {
            Some((slot, by)) => converted(rows, *slot, by, &entity.name, field, convert)?,
            None => vec![field.default.clone().unwrap_or_default(); rows.len()],
        };
        for ((_, row), value) in rows.iter_mut().zip(values) {
            row.values.get_mut(fill.slot).into_iter().for_each(|slot| slot.clone_from(&value));
        }
    }
    Ok(())
}

fn converted(
    rows: &Taken,
    slot: usize,
    by: &[u32],
    entity: &str,
    field: &Field,
    convert: Convert<'_>,
) -> Result<Vec<Value>> {
    let old = rows.iter().map(|(_, row)| row.values.get(slot).map(Value::to_json).unwrap_or_default()).collect();
    let new = convert_all(convert, by, old)?;
    new.iter().map(|json| converted_value(entity, field, json)).collect()
}

/// Builds some more of the indexes that are being built.
fn build(txn: &mut Txn<'_>) -> Result<(), Interrupt> {
    let mut catalog = txn.state.catalog.clone();
    let mut indexes = catalog.building();
    indexes.sort_by_key(|index| index.entity);
    // What was done for other indexes is of no use for these.
    let which: Vec<u8> = indexes.iter().flat_map(|index| index.map.to_be_bytes()).collect();
    let known = txn.read(MapId::SYSTEM, BUILD_KEY)?;
    let done = known.as_deref().and_then(|known| known.strip_prefix(which.as_slice()));
    let done = done.filter(|done| done.len() > MAP_BYTES);
    let mut room = Room::default();
    let (mut entries, mut last) = (Vec::new(), None);
    for of_entity in indexes.chunk_by(|left, right| left.entity == right.entity) {
        let Some(first) = of_entity.first() else { continue };
        let is_whole = room.walk(txn, after(KeyRange::map(MapId(first.entity)), done), |key, value| {
            let row = RowRef::new(value)?;
            for index in of_entity.iter().filter(|_| !row.deleted()) {
                let entry = super::txn::index_key(row.body(), &index.slots, super::keys::inner_key(key));
                entries.push((full_key(MapId(index.map), &entry), Vec::new()));
            }
            last = Some(key.to_vec());
            Ok(())
        })?;
        if !is_whole {
            entries.sort_unstable();
            txn.put_all(entries);
            txn.put(MapId::SYSTEM, BUILD_KEY, [which, last.unwrap_or_default()].concat());
            return Ok(());
        }
    }
    entries.sort_unstable();
    txn.put_all(entries);
    txn.delete(MapId::SYSTEM, BUILD_KEY);
    catalog.built();
    put_catalog(txn, &catalog)
}

/// The rest of a range.
fn after(mut range: KeyRange, done: Option<&[u8]>) -> KeyRange {
    if let Some(done) = done.filter(|done| **done >= *range.start) {
        range.start = super::keys::after_key(done);
    }
    range
}

/// What still goes into a commit.
struct Room {
    rows: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { rows: CHUNK_ROWS, bytes: CHUNK_BYTES }
    }
}

impl Room {
    /// Takes the entries of a range while there is room; whether those were all.
    fn walk(
        &mut self,
        txn: &Txn<'_>,
        range: KeyRange,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), Interrupt>,
    ) -> Result<bool, Interrupt> {
        let mut rows = txn.view().scan_range(range, false);
        while rows.step()? {
            if self.rows == 0 || self.bytes == 0 {
                return Ok(false);
            }
            let Some(value) = rows.value() else { continue };
            self.rows -= 1;
            self.bytes = self.bytes.saturating_sub(value.len());
            take(rows.full_key(), value)?;
        }
        Ok(true)
    }
}
