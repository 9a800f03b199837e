//! Pairs: records that stand for two others, as the elements of a set. Adds and removals of the same pair meet here. Pure.
//!
//! | the pair is \ change | add | removal |
//! |---|---|---|
//! | there | is there once; its other fields by the policy | removed, or superseded |
//! | removed | there again, or superseded | stays removed |
//!
//! Who had seen the other one comes after it, whatever clocks say. If neither had, the times decide, and a tie is the removal's.
//!
//! **Invariant:** nothing here is a conflict, or a refusal for what somebody else has done.

use std::collections::BTreeMap;

use whimbrel_merge::{Meeting, Merged, merge};
use whimbrel_protocol::{Fields, Op, Outcome, Version};

use super::admit::Admitted;
use super::decide::{Decision, Known, insert, refused, to_fields, update};
use super::refusal::Refusal;
use crate::model::{Entity, Policy, Row, User, Value};
use crate::storage::Record;

/// The last add or removal of a pair, as far as it came through push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Presence {
    /// The version it made.
    pub(super) version: Version,
    /// When it was done.
    pub(super) at: i64,
}

impl Presence {
    /// It is kept where the times of values are: those of the pair's own fields never change, so theirs are free. The first has the version.
    pub(super) fn read([first, second]: [usize; 2], times: &BTreeMap<usize, i64>) -> Option<Self> {
        let version = Version::try_from(*times.get(&first)?).ok()?;
        Some(Self { version, at: *times.get(&second)? })
    }

    /// What is known after a change that was accepted at a time: `made` is the version of an add or removal that took place, else `there` is.
    /// What came later is never earlier than what it came after, whatever its clock says.
    pub(super) fn after(known: Option<Self>, made: Option<Version>, there: Version, at: i64) -> Self {
        let version = made.or(known.map(|known| known.version)).unwrap_or(there);
        Self { version, at: known.map_or(at, |known| known.at.max(at)) }
    }
}

/// Decides about a pair; none when the change is like one of any record.
pub(super) fn decide(admitted: &Admitted<'_>, user: &User, known: &Known) -> Option<Decision> {
    let Admitted { entity, change, set } = admitted;
    let presence = Presence::read(entity.pair?, &known.times);
    let seen = change.base.max(known.own);
    let has_seen = |version: Version| seen.is_some_and(|seen| seen >= version);
    match (&known.record, change.op) {
        (Record::Deleted { version }, Op::Create | Op::Delete) => {
            // One that did not come through push has no time.
            let removal = presence.filter(|removal| removal.version == *version);
            let is_later = has_seen(*version) || removal.is_none_or(|removal| known.at > removal.at);
            Some(match (change.op, insert(entity, user, set.clone())) {
                (Op::Create, Decision::Insert(row)) if is_later => Decision::Insert(row),
                (Op::Create, Decision::Insert(_)) => superseded(*version, None),
                (Op::Create, stopped) => stopped,
                _ if is_later => Decision::Stays(*version),
                _ => superseded(*version, None),
            })
        }
        (Record::Live { row, .. }, _) if !entity.is_open_to(user, row) => None,
        (Record::Live { version, row }, Op::Create) => {
            let values = brought(admitted, row, has_seen(*version), known);
            if !values.is_empty() {
                return Some(update(entity, user, row.clone(), values));
            }
            let is_later = presence.is_none_or(|add| has_seen(add.version) || known.at >= add.at);
            Some(if is_later { Decision::Stays(*version) } else { superseded(*version, Some(to_fields(entity, row))) })
        }
        (Record::Live { version, row }, Op::Delete) if entity.policy != Policy::AppendOnly => {
            if has_seen(presence.map_or(*version, |add| add.version)) {
                return None;
            }
            let is_later = presence.is_none_or(|add| known.at >= add.at);
            Some(if is_later { Decision::Delete } else { superseded(*version, Some(to_fields(entity, row))) })
        }
        (Record::Live { row, .. }, Op::Update) => {
            let is_another = |place: &usize| set.get(place).is_some_and(|value| row.get(*place) != Some(value));
            entity.pair.iter().flatten().any(is_another).then(|| refused(Refusal::Pair))
        }
        (Record::Unknown | Record::Deleted { .. } | Record::Live { .. }, _) => None,
    }
}

fn superseded(version: Version, fields: Option<Fields>) -> Decision {
    Decision::Settled(Outcome::Superseded { version, fields })
}

/// The values that an add brings to a pair that is there. What it has no value for stays; what both have, with `detectConflicts` and with `merge`
/// for want of a rule, keeps the value of whoever came first, unless the add was made on it.
fn brought(admitted: &Admitted<'_>, row: &Row, is_current: bool, known: &Known) -> BTreeMap<usize, Value> {
    let Admitted { entity, set, .. } = admitted;
    let mut values = BTreeMap::new();
    for (position, value) in set.iter().filter(|(_, value)| **value != Value::Null) {
        let (Some(field), Some(current)) = (entity.fields.get(*position), row.get(*position)) else { continue };
        let (current_json, new) = (current.to_json(), value.to_json());
        let value = match entity.policy {
            _ if current == value && (is_current || entity.policy != Policy::Merge) => continue,
            Policy::ReadOnly | Policy::AppendOnly => continue,
            _ if is_current || *current == Value::Null => value.clone(),
            Policy::LastWriteWins => value.clone(),
            Policy::DetectConflicts => continue,
            Policy::Merge => {
                let is_newer = known.times.get(position).is_none_or(|written| *written <= known.at);
                match merge(field.rule, Meeting { was: None, current: &current_json, new: &new, is_newer }) {
                    Merged::New => value.clone(),
                    Merged::Other(json) => match Value::from_json(&json, &field.kind) {
                        Ok(value) => value,
                        Err(_) => continue,
                    },
                    Merged::Current | Merged::Conflict => continue,
                }
            }
        };
        values.insert(*position, value);
    }
    values
}

/// Whether the id of a new pair is that of its values.
pub(super) fn is_named(entity: &Entity, id: &str, set: &BTreeMap<usize, Value>) -> bool {
    let Some([first, second]) = entity.pair else { return true };
    match (set.get(&first), set.get(&second)) {
        (Some(Value::Text(first)), Some(Value::Text(second))) => whimbrel_protocol::pair_id(first, second) == id,
        _ => false,
    }
}
