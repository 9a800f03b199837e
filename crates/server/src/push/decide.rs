//! The policies: what becomes of an admitted change, given what is known of the record. Pure.
//!
//! | record \ op | create | update | delete |
//! |---|---|---|---|
//! | unknown | insert | `row/not-found` | `row/not-found` |
//! | deleted | `row/deleted` or conflict | `row/deleted` or conflict | accepted, nothing to do |
//! | live | by policy | by policy | by policy |
//!
//! **Invariant:** nothing here brings a deleted record back.
//! **Invariant:** a record that is in none of the user's scopes is neither changed nor shown.

use std::collections::BTreeMap;

use whimbrel_protocol::{Fields, Op, Outcome, ServerRow, Version};

use super::admit::Admitted;
use super::refusal::Refusal;
use crate::model::{Entity, Policy, ROW_BYTES_MAX, Row, User, Value};
use crate::storage::Record;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    Insert(Row),
    Update {
        row: Row,
        fields: Vec<usize>,
    },
    Delete,
    /// Nothing; this is the outcome.
    Settled(Outcome),
}

/// Decides. `own` is the newest version this client itself gave the record, as far as that is remembered: a client
/// whose answer was lost cannot know it, and must not be in conflict with itself.
pub(crate) fn decide(admitted: Admitted<'_>, user: &User, record: Record, own: Option<Version>) -> Decision {
    let Admitted { entity, change, set } = admitted;
    match (record, change.op) {
        (Record::Unknown, Op::Create) => insert(entity, user, set),
        (Record::Unknown, Op::Update | Op::Delete) => refused(Refusal::RowNotFound),
        (Record::Deleted { version }, Op::Delete) => Decision::Settled(Outcome::Accepted { version }),
        (Record::Deleted { .. }, Op::Create | Op::Update) => match entity.policy {
            Policy::DetectConflicts => Decision::Settled(Outcome::Conflict { row: None }),
            Policy::ReadOnly | Policy::AppendOnly | Policy::LastWriteWins => refused(Refusal::RowDeleted),
        },
        (Record::Live { row, .. }, _) if !entity.is_open_to(user, &row) => refused(Refusal::Scope),
        (Record::Live { version, row }, op) => {
            if let Some(decision) = stopped_by_policy(entity, op, &row, version, change.base.max(own)) {
                return decision;
            }
            match op {
                Op::Create | Op::Update => update(entity, user, row, set),
                Op::Delete => Decision::Delete,
            }
        }
    }
}

fn refused(refusal: Refusal) -> Decision {
    Decision::Settled(refusal.outcome())
}

fn stopped_by_policy(entity: &Entity, op: Op, row: &Row, version: Version, base: Option<Version>) -> Option<Decision> {
    match (entity.policy, op) {
        (Policy::ReadOnly, _) => Some(refused(Refusal::ReadOnly)),
        (Policy::AppendOnly, Op::Create) => Some(refused(Refusal::RowExists)),
        (Policy::AppendOnly, Op::Update | Op::Delete) => Some(refused(Refusal::AppendOnly)),
        (Policy::LastWriteWins, _) => None,
        (Policy::DetectConflicts, Op::Update | Op::Delete) if base.is_some_and(|base| base >= version) => None,
        (Policy::DetectConflicts, _) => {
            let row = ServerRow { version, fields: to_fields(entity, row) };
            Some(Decision::Settled(Outcome::Conflict { row: Some(row) }))
        }
    }
}

fn insert(entity: &Entity, user: &User, mut set: BTreeMap<usize, Value>) -> Decision {
    let row: Row = (0..entity.fields.len()).map(|position| set.remove(&position).unwrap_or_default()).collect();
    stopped_by_row(entity, user, &row).unwrap_or(Decision::Insert(row))
}

fn update(entity: &Entity, user: &User, mut row: Row, set: BTreeMap<usize, Value>) -> Decision {
    let mut fields = Vec::with_capacity(set.len());
    for (position, value) in set {
        if let Some(place) = row.get_mut(position) {
            *place = value;
            fields.push(position);
        }
    }
    stopped_by_row(entity, user, &row).unwrap_or(Decision::Update { row, fields })
}

/// What must hold for a row as it would be after the change.
fn stopped_by_row(entity: &Entity, user: &User, row: &Row) -> Option<Decision> {
    if !entity.is_open_to(user, row) {
        return Some(refused(Refusal::Scope));
    }
    let bytes: usize = row.iter().map(Value::weight).sum();
    (bytes > ROW_BYTES_MAX).then(|| refused(Refusal::ValueTooLarge))
}

fn to_fields(entity: &Entity, row: &Row) -> Fields {
    entity.fields.iter().zip(row).map(|(field, value)| (field.name.clone(), value.to_json())).collect()
}
