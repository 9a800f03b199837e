//! What should be there after an op, worked out the simple way.

use std::collections::BTreeMap;

use whimbrel::model::Row;

use crate::model::Model;
use crate::ops::{Op, Write, id};

/// What a model is after something has happened, whole and without a fault.
pub(crate) fn after(model: &Model, op: &Op) -> Model {
    let mut model = model.clone();
    match op {
        Op::Write { writes, fails: false, .. } => writes.iter().for_each(|write| apply(&mut model, write)),
        Op::Race { writes } => writes.iter().flat_map(|(_, writes)| writes).for_each(|write| apply(&mut model, write)),
        Op::Load { bucket, rows, .. } => {
            let last: BTreeMap<String, &Row> = rows.iter().map(|(number, row)| (id(*number), row)).collect();
            for (id, row) in last {
                load(&mut model, &id, row, *bucket);
            }
        }
        Op::Write { .. }
        | Op::Compact { .. }
        | Op::CompactAll { .. }
        | Op::CatchUp { .. }
        | Op::Reopen { .. }
        | Op::Query { .. }
        | Op::Crash { .. }
        | Op::Hiccup { .. }
        | Op::Kill { .. } => {}
    }
    model
}

fn apply(model: &mut Model, write: &Write) {
    match write {
        Write::Put(number, row) => {
            model.rows.insert(id(*number), row.clone());
        }
        Write::Delete(number) => {
            model.rows.remove(&id(*number));
        }
        Write::PutPlain(key, value) => {
            model.plain.insert(vec![*key], value.clone());
        }
        Write::DeletePlain(key) => {
            model.plain.remove(&vec![*key]);
        }
    }
}

fn load(model: &mut Model, id: &str, row: &Row, bucket: u16) {
    let clean =
        |buckets| Row { version: row.version, buckets, dirty: false, deleted: false, values: row.values.clone() };
    match model.rows.get_mut(id) {
        None => {
            model.rows.insert(id.to_owned(), clean(vec![bucket]));
        }
        Some(known) if known.dirty => {}
        Some(known) => {
            if !known.buckets.contains(&bucket) {
                known.buckets.push(bucket);
            }
            if row.version >= known.version {
                *known = clean(known.buckets.clone());
            }
        }
    }
}
