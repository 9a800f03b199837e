//! What can be said of a change without looking at the record: the entity, the id, the fields.

use std::collections::BTreeMap;

use whimbrel_protocol::{CHANGE_BYTES_MAX, Change, Op, Outcome};

use super::Rules;
use super::envelope::bytes_of;
use super::pair;
use super::refusal::Refusal;
use crate::model::{Entity, Policy, User, Value, ValueError, is_id};

/// A change whose names and values are all right.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) entity: &'a Entity,
    pub(crate) change: &'a Change,
    /// Field positions and their new values, in the order of the fields.
    pub(crate) set: BTreeMap<usize, Value>,
}

/// Checks a change against the schema, and whether its user may do that at all.
///
/// # Errors
/// The refusal, naming every field that is wrong.
pub(crate) fn admit<'a>(rules: Rules<'a>, user: &User, change: &'a Change) -> Result<Admitted<'a>, Outcome> {
    let entity = rules.entities.find(&change.entity).ok_or_else(|| Refusal::UnknownEntity.outcome())?;
    if entity.policy == Policy::ReadOnly {
        return Err(Refusal::ReadOnly.outcome());
    }
    if !entity.allow.permits(user, change.op) {
        return Err(Refusal::Operation.outcome());
    }
    if !is_id(&change.id) {
        return Err(Refusal::InvalidId.outcome());
    }
    // One over the protocol's limit came with a request that was refused as a whole.
    let most = rules.sizes.change_bytes;
    if most < CHANGE_BYTES_MAX && bytes_of(change) > most {
        return Err(Refusal::ValueTooLarge.outcome());
    }
    let set = read_fields(entity, change)?;
    if change.op == Op::Create && !pair::is_named(entity, &change.id, &set) {
        let fields = entity.pair.iter().flatten().filter_map(|position| entity.fields.get(*position));
        let wrong = |field: &crate::model::Field| (field.name.clone(), "is not what the id says".to_owned());
        return Err(Refusal::Pair.with_fields(fields.map(wrong).collect()));
    }
    Ok(Admitted { entity, change, set })
}

fn read_fields(entity: &Entity, change: &Change) -> Result<BTreeMap<usize, Value>, Outcome> {
    let mut wrong = Wrong::default();
    let mut set = BTreeMap::new();
    for (name, json) in &change.set {
        let Some((position, field)) = entity.fields.iter().enumerate().find(|(_, field)| field.name == *name) else {
            wrong.add(name, Refusal::UnknownField, "is not a field of this record".to_owned());
            continue;
        };
        match Value::from_json(json, &field.kind) {
            Ok(Value::Null) if field.required => wrong.add(name, Refusal::ValueRequired, REQUIRED.to_owned()),
            Ok(value) => _ = set.insert(position, value),
            Err(error @ ValueError::Type { .. }) => wrong.add(name, Refusal::ValueType, error.to_string()),
            Err(error @ ValueError::TooLong { .. }) => wrong.add(name, Refusal::ValueTooLong, error.to_string()),
        }
    }
    if change.op == Op::Create {
        for field in entity.fields.iter().filter(|field| field.required && change.set.get(&field.name).is_none()) {
            wrong.add(&field.name, Refusal::ValueRequired, REQUIRED.to_owned());
        }
    }
    wrong.into_result().map(|()| set)
}

const REQUIRED: &str = "must have a value";

/// Everything that is wrong with the fields; the code is that of the first.
#[derive(Default)]
struct Wrong {
    first: Option<Refusal>,
    fields: BTreeMap<String, String>,
}

impl Wrong {
    fn add(&mut self, field: &str, refusal: Refusal, message: String) {
        self.first.get_or_insert(refusal);
        self.fields.insert(field.to_owned(), message);
    }

    fn into_result(self) -> Result<(), Outcome> {
        self.first.map_or(Ok(()), |refusal| Err(refusal.with_fields(self.fields)))
    }
}
