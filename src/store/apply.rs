//! What a pull brings, laid into the store: rows and removals together with the cursor that covers them.
//!
//! **Invariant:** cursor and rows are one transaction: the cursor never passes a change that is not here.
//! **Invariant:** a record with local changes keeps them: the server's row becomes its base and the changes are laid over it.

use whimbrel_protocol::{BucketCursor, BucketInfo};

use super::batch::RowBatch;
use super::bulk::Loading;
use super::piece::{Part, Piece};
use super::system::{self, Bucket, Counter};
use super::{Interrupt, Read, Txn, conflict, pending, rebase};
use crate::error::{Code, Error};
use crate::model::Row;

/// The number that rows of a bucket carry; given at first sight.
///
/// # Errors
/// Those of the store; `store/failed` when 65,535 buckets have been seen.
pub(super) fn bucket_number(txn: &mut Txn<'_>, name: &str) -> Result<u16, Interrupt> {
    let known = system::bucket(txn, name)?.unwrap_or_default();
    // One that was taken away and is given again has rows to lose, and no number.
    if known.number != 0 {
        return Ok(known.number);
    }
    let number = new_number(txn)?;
    system::set_bucket(txn, name, &Bucket { number, ..known })?;
    Ok(number)
}

/// A bucket is no longer the user's: it is forgotten once its rows are, see [`super::retire`].
///
/// # Errors
/// Those of the store.
pub(super) fn revoke_buckets(txn: &mut Txn<'_>, entity: &str, granted: &[BucketInfo]) -> Result<(), Interrupt> {
    for (name, mut bucket) in system::buckets_of(txn, entity)? {
        if bucket.number != 0 && !granted.iter().any(|info| info.bucket == name) {
            bucket.retired.push(bucket.number);
            (bucket.number, bucket.cursor) = (0, None);
            system::set_bucket(txn, &name, &bucket)?;
        }
    }
    Ok(())
}

pub(super) fn new_number(txn: &mut Txn<'_>) -> Result<u16, Interrupt> {
    u16::try_from(Counter::Bucket.next(txn)?)
        .map_err(|_| Error::new(Code::StoreFailed, "65,535 buckets have been seen by this store").into())
}

/// A row of a bucket whose record has local changes: it becomes the base, and the changes are laid over it.
fn dirty_row(txn: &mut Txn<'_>, entity: &str, bucket: Loading, pulled: &Row, id: &str) -> Result<(), Interrupt> {
    let base = pending::base(txn, entity, id)?;
    let Loading { number: bucket, anew } = bucket;
    let server = match base {
        // One of the same version may be what a change was accepted as, laid over an older row; one that no pull has brought yet is known less
        // well than one that is pulled.
        Some(base)
            if base.version > pulled.version
                && !base.buckets.is_empty()
                && (!anew || base.buckets.contains(&bucket)) =>
        {
            with_bucket(base, bucket)
        }
        base => Row { buckets: with_bucket(base.unwrap_or_default(), bucket).buckets, ..pulled.clone() },
    };
    rebase::rebuild(txn, entity, id, Some(&server))
}

/// A row of a batch.
fn pulled_row(rows: &RowBatch, place: usize) -> Row {
    Row { version: rows.version(place), values: rows.values(place), ..Row::default() }
}

/// One row that is gone from a bucket. It leaves the device with the last bucket it is in.
///
/// # Errors
/// Those of the store.
pub(super) fn gone(txn: &mut Txn<'_>, entity: &str, bucket: u16, id: &str) -> Result<(), Interrupt> {
    let Some(known) = txn.row(entity, id)? else { return Ok(()) };
    if known.dirty {
        let server = pending::base(txn, entity, id)?.and_then(|base| without_buckets(base, &[bucket]));
        if server.is_none() {
            conflict::server_has_none(txn, entity, id)?;
        }
        return rebase::rebuild(txn, entity, id, server.as_ref());
    }
    match without_buckets(known, &[bucket]) {
        Some(row) => txn.put_row(entity, id, &row),
        None => txn.delete_row(entity, id),
    }
}

/// Everything of the bucket so far is complete under this cursor.
///
/// # Errors
/// Those of the store.
pub(super) fn cursor(txn: &mut Txn<'_>, cursor: &BucketCursor) -> Result<(), Interrupt> {
    let mut bucket = system::bucket(txn, &cursor.bucket)?.unwrap_or_default();
    (bucket.cursor, bucket.version) = (Some(cursor.cursor.clone()), cursor.version);
    system::set_bucket(txn, &cursor.bucket, &bucket)
}

/// Where a pull of these entities goes on.
///
/// # Errors
/// Those of the store.
pub(super) fn cursors(view: &impl Read, entities: &[String]) -> Result<Vec<BucketCursor>, Interrupt> {
    let mut cursors = Vec::new();
    for entity in entities {
        for (bucket, record) in system::buckets_of(view, entity)? {
            cursors.extend(record.cursor.map(|cursor| BucketCursor { bucket, cursor, more: false, version: None }));
        }
    }
    Ok(cursors)
}

/// The row without some buckets; `None` when it is in no other.
pub(super) fn without_buckets(mut row: Row, numbers: &[u16]) -> Option<Row> {
    row.buckets.retain(|number| !numbers.contains(number));
    (!row.buckets.is_empty()).then_some(row)
}

fn with_bucket(mut row: Row, number: u16) -> Row {
    if !row.buckets.contains(&number) {
        row.buckets.push(number);
    }
    row
}

/// A piece of a pull: its rows and removals, and the cursor that covers them.
///
/// # Errors
/// Those of the store.
pub(super) fn piece(txn: &mut Txn<'_>, piece: &Piece) -> Result<(), Interrupt> {
    super::transfer::check_importing(txn)?;
    let number = bucket_number(txn, &piece.bucket)?;
    let anew = system::bucket(txn, &piece.bucket)?.is_some_and(|bucket| !bucket.retired.is_empty());
    let bucket = Loading { number, anew };
    for part in &piece.parts {
        match part {
            Part::Rows(rows) => {
                for place in txn.load_rows(rows, bucket)? {
                    dirty_row(txn, piece.entity(), bucket, &pulled_row(rows, place), &rows.id(place))?;
                }
            }
            Part::Gone(ids) => ids.iter().try_for_each(|id| gone(txn, piece.entity(), number, id))?,
        }
    }
    piece.cursor.as_ref().map_or(Ok(()), |covering| cursor(txn, covering))
}
