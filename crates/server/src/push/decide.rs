//! The policies: what becomes of an admitted change, given what is known of the record. Pure.
//!
//! | record \ op | create | update | delete |
//! |---|---|---|---|
//! | unknown | insert | `row/not-found` | `row/not-found` |
//! | deleted | `row/deleted` or conflict | `row/deleted` or conflict | accepted, nothing to do |
//! | live | by policy | by policy | by policy |
//!
//! Of a record that stands for a pair, adds and removals are decided in [`super::pair`].
//!
//! **Invariant:** nothing brings a deleted record back, unless it stands for a pair.
//! **Invariant:** a record that is in none of the user's scopes is neither changed nor shown.

use std::collections::BTreeMap;

use whimbrel_merge::{Meeting, Merged, merge, same};
use whimbrel_protocol::{Change, Fields, Op, Outcome, ServerRow, Version};

use super::admit::Admitted;
use super::pair;
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
    /// The pair is there already, or removed, and the change says so as well: nothing but when. The version of what there is.
    Stays(Version),
    /// Nothing; this is the outcome.
    Settled(Outcome),
}

/// What is known of the record that a change is about.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) record: Record,
    /// The newest version this client itself gave the record, as far as that is remembered: a client whose answer was lost cannot know it,
    /// and must not be in conflict with itself.
    pub(crate) own: Option<Version>,
    /// When values were written, by position, where it counts; of a pair's own fields, what [`pair::Presence`] has of them.
    pub(crate) times: BTreeMap<usize, i64>,
    /// When the change was written.
    pub(crate) at: i64,
}

/// Decides. Who may not read the entity does not learn from a refusal what is there.
pub(crate) fn decide(admitted: Admitted<'_>, user: &User, known: Known) -> Decision {
    let may_read = admitted.entity.allow.read.is_to(user);
    match judge(admitted, user, known) {
        Decision::Settled(Outcome::Conflict { .. } | Outcome::Superseded { .. }) if !may_read => {
            refused(Refusal::RowExists)
        }
        decision => decision,
    }
}

fn judge(admitted: Admitted<'_>, user: &User, known: Known) -> Decision {
    if let Some(decision) = pair::decide(&admitted, user, &known) {
        return decision;
    }
    let Admitted { entity, change, set } = admitted;
    let Known { record, own, times, at } = known;
    match (record, change.op) {
        (Record::Unknown, Op::Create) => insert(entity, user, set),
        (Record::Unknown, Op::Update | Op::Delete) => refused(Refusal::RowNotFound),
        (Record::Deleted { version }, Op::Delete) => Decision::Settled(Outcome::Accepted { version }),
        (Record::Deleted { .. }, Op::Create | Op::Update) => match entity.policy {
            Policy::DetectConflicts | Policy::Merge => Decision::Settled(Outcome::Conflict { row: None }),
            Policy::ReadOnly | Policy::AppendOnly | Policy::LastWriteWins => refused(Refusal::RowDeleted),
        },
        (Record::Live { row, .. }, _) if !entity.is_open_to(user, &row) => refused(Refusal::Scope),
        (Record::Live { version, row }, op) => {
            let is_current = change.base.max(own).is_some_and(|base| base >= version);
            if let Some(decision) = stopped_by_policy(entity, op, &row, version, is_current) {
                return decision;
            }
            match (entity.policy, op) {
                (Policy::Merge, Op::Update) => match merged(entity, change, &row, set, |field| {
                    times.get(&field).is_none_or(|written| *written <= at)
                }) {
                    Some(set) => update(entity, user, row, set),
                    None => conflict(entity, &row, version),
                },
                (Policy::Merge, Op::Delete) if !is_current && !is_as_it_was(entity, change, &row) => {
                    conflict(entity, &row, version)
                }
                (_, Op::Create | Op::Update) => update(entity, user, row, set),
                (_, Op::Delete) => Decision::Delete,
            }
        }
    }
}

/// The values that a change comes to, field by field; none when one of them is in conflict.
fn merged(
    entity: &Entity,
    change: &Change,
    row: &Row,
    set: BTreeMap<usize, Value>,
    is_newer: impl Fn(usize) -> bool,
) -> Option<BTreeMap<usize, Value>> {
    let mut values = BTreeMap::new();
    for (position, value) in set {
        let (field, current) = (entity.fields.get(position)?, row.get(position)?.to_json());
        let (was, new) = (change.was.get(&field.name), value.to_json());
        let meeting = Meeting { was, current: &current, new: &new, is_newer: is_newer(position) };
        match merge(field.rule, meeting) {
            Merged::Current => {}
            Merged::New => _ = values.insert(position, value),
            Merged::Other(json) => _ = values.insert(position, Value::from_json(&json, &field.kind).ok()?),
            Merged::Conflict => return None,
        }
    }
    Some(values)
}

/// Whether a row still has the values that its deletion was decided on.
fn is_as_it_was(entity: &Entity, change: &Change, row: &Row) -> bool {
    !change.was.is_empty()
        && entity.fields.iter().zip(row).all(|(field, value)| match change.was.get(&field.name) {
            Some(was) => same(was, &value.to_json()),
            // A field that the client does not have.
            None => true,
        })
}

fn conflict(entity: &Entity, row: &Row, version: Version) -> Decision {
    let row = ServerRow { version, fields: to_fields(entity, row) };
    Decision::Settled(Outcome::Conflict { row: Some(row) })
}

pub(super) fn refused(refusal: Refusal) -> Decision {
    Decision::Settled(refusal.outcome())
}

fn stopped_by_policy(entity: &Entity, op: Op, row: &Row, version: Version, is_current: bool) -> Option<Decision> {
    match (entity.policy, op) {
        (Policy::ReadOnly, _) => Some(refused(Refusal::ReadOnly)),
        (Policy::AppendOnly, Op::Create) => Some(refused(Refusal::RowExists)),
        (Policy::AppendOnly, Op::Update | Op::Delete) => Some(refused(Refusal::AppendOnly)),
        (Policy::LastWriteWins, _) | (Policy::Merge, Op::Update | Op::Delete) => None,
        (Policy::DetectConflicts, Op::Update | Op::Delete) if is_current => None,
        (Policy::DetectConflicts, _) | (Policy::Merge, Op::Create) => Some(conflict(entity, row, version)),
    }
}

pub(super) fn insert(entity: &Entity, user: &User, mut set: BTreeMap<usize, Value>) -> Decision {
    let row: Row = (0..entity.fields.len()).map(|position| set.remove(&position).unwrap_or_default()).collect();
    stopped_by_row(entity, user, &row).unwrap_or(Decision::Insert(row))
}

pub(super) fn update(entity: &Entity, user: &User, mut row: Row, set: BTreeMap<usize, Value>) -> Decision {
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

pub(super) fn to_fields(entity: &Entity, row: &Row) -> Fields {
    entity.fields.iter().zip(row).map(|(field, value)| (field.name.clone(), value.to_json())).collect()
}
