//! Deciding a conflict: what is left of the change goes to the server again, on the row that the server has.

use serde::Serialize;
use whimbrel_merge::same;
use whimbrel_protocol::{Fields, Json, Op, ServerRow};

use super::undo::{self, Resolved};
use super::{Conflict, contested, find};
use crate::error::{Code, Error, Result};
use crate::json::{FromJson, Object};
use crate::model::changed_fields;
use crate::store::confirmation::{self, Confirmation, Ending};
use crate::store::outbox::Entry;
use crate::store::system::{self, Counter};
use crate::store::{Interrupt, MapId, Read, Txn, constraints, pending, rebase};

/// A side of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// What was written here.
    Local,
    /// What the server has.
    Server,
}

/// What a field is to have.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// The value of a side.
    Of(Side),
    /// Another value.
    Value(Json),
}

/// How a conflict is decided. A field that is not named goes to `all`; without that, it keeps what was written here unless both sides changed it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resolution {
    /// For everything that is not named.
    pub all: Option<Side>,
    /// By field.
    pub fields: Vec<(String, Choice)>,
}

impl Resolution {
    /// One side for everything.
    #[must_use]
    pub const fn all(side: Side) -> Self {
        Self { all: Some(side), fields: Vec::new() }
    }
}

fn side(name: &str) -> Option<Side> {
    match name {
        "local" => Some(Side::Local),
        "server" => Some(Side::Server),
        _ => None,
    }
}

impl FromJson for Resolution {
    fn from_json(mut object: Object) -> Result<Self> {
        let all = object.optional_text("all")?;
        let all = all.map(|name| side(&name).ok_or_else(|| object.wrong("all"))).transpose()?;
        let mut fields = Vec::new();
        for (name, choice) in object.map("fields")? {
            let of = choice.as_str().and_then(side).map(Choice::Of);
            let value = || choice.as_object().and_then(|value| value.get("value")).cloned().map(Choice::Value);
            fields.push((name, of.or_else(value).ok_or_else(|| object.wrong("fields"))?));
        }
        object.end()?;
        Ok(Self { all, fields })
    }
}

/// The open conflicts of an entity, oldest first.
pub(crate) fn positions_of(view: &impl Read, entity: &str) -> Result<Vec<u64>, Interrupt> {
    let mut positions = Vec::new();
    for (key, bytes) in view.items(MapId::CONFLICTS)? {
        let conflict: Conflict = system::from_json(&bytes)?;
        if conflict.entry.entity == entity {
            positions.push(system::number(&key));
        }
    }
    Ok(positions)
}

/// Decides a conflict, at a time. Returns the changes that have come to their end by it.
///
/// # Errors
/// `conflict/not-found`, `conflict/undecided`, `conflict/deleted`, those of bad values, and those of the store; then nothing has changed.
pub(crate) fn resolve(
    txn: &mut Txn<'_>,
    position: u64,
    resolution: &Resolution,
    at: i64,
) -> Result<Vec<Confirmation>, Interrupt> {
    let Conflict { entry, server } = find(txn, position)?;
    let left = what_is_left(txn, &entry, server.as_ref(), resolution, at)?;
    let mut later = pending::of_record(txn, &entry.entity, &entry.id)?;
    later.retain(|(place, later)| *place != position && later.seq.is_none());
    let gives_up_record = server.is_none() && entry.op != Op::Delete;
    let taken = if gives_up_record { std::mem::take(&mut later) } else { Vec::new() };
    undo::remember(
        txn,
        position,
        &Resolved { entry: entry.clone(), server: server.clone(), left: left.clone(), taken: taken.clone(), at },
    )?;
    Counter::Conflicts.add(txn, -1)?;
    txn.delete(MapId::CONFLICTS, &position.to_be_bytes());
    let mut confirmed = Vec::new();
    for (place, entry) in taken {
        pending::remove(txn, place, &entry)?;
        confirmed.extend(confirmation::end(txn, &entry, Ending::Discarded, None, None)?);
    }
    let version = server.as_ref().map(|row| row.version);
    for (place, mut later) in later {
        later.base = version;
        pending::put(txn, place, &later)?;
    }
    Counter::Pending.add(txn, 1)?;
    match left {
        Some(left) => _ = pending::put(txn, position, &left)?,
        None => {
            pending::remove(txn, position, &entry)?;
            let is_given_up = resolution.all == Some(Side::Server)
                || resolution.fields.iter().any(|(_, choice)| *choice == Choice::Of(Side::Server));
            let ending = if is_given_up { Ending::Discarded } else { Ending::Accepted };
            confirmed.extend(confirmation::end(txn, &entry, ending, version, None)?);
        }
    }
    let base = pending::base(txn, &entry.entity, &entry.id)?;
    rebase::rebuild(txn, &entry.entity, &entry.id, base.as_ref())?;
    Ok(confirmed)
}

/// The change that says what was decided; none when everything is as the server has it.
fn what_is_left(
    txn: &Txn<'_>,
    entry: &Entry,
    server: Option<&ServerRow>,
    resolution: &Resolution,
    at: i64,
) -> Result<Option<Entry>, Interrupt> {
    let is_given_up = resolution.all == Some(Side::Server) && resolution.fields.is_empty();
    let Some(server) = server else {
        // What is deleted stays deleted; wanting that as well is no change.
        return if is_given_up || entry.op == Op::Delete { Ok(None) } else { Err(deleted(entry)) };
    };
    let again = |op, set, was| Entry {
        op,
        base: Some(server.version),
        set,
        was,
        at,
        conflict: false,
        schema: txn.schema().version,
        ..entry.clone()
    };
    if entry.op == Op::Delete {
        return match resolution.all {
            Some(Side::Local) if resolution.fields.is_empty() => {
                Ok(Some(again(Op::Delete, Fields::new(), server.fields.clone())))
            }
            Some(Side::Server) if resolution.fields.is_empty() => Ok(None),
            _ => Err(Error::new(Code::ConflictUndecided, "a deletion is decided as a whole: local or server").into()),
        };
    }
    let set = decided(entry, server, resolution)?;
    if set.is_empty() {
        return Ok(None);
    }
    let set = checked(txn, entry, server, &set)?;
    let was =
        set.iter().map(|(name, _)| (name.clone(), server.fields.get(name).cloned().unwrap_or_default())).collect();
    Ok(Some(again(Op::Update, set, was)))
}

fn deleted(entry: &Entry) -> Interrupt {
    let detail = format!("{} \"{}\" was deleted at the server; make a new record of it", entry.entity, entry.id);
    Error::new(Code::ConflictDeleted, detail).into()
}

/// The values that are not the server's.
fn decided(entry: &Entry, server: &ServerRow, resolution: &Resolution) -> Result<Fields> {
    let both = contested(entry, Some(server));
    let mut values: Vec<(String, Json)> = Vec::new();
    for (name, local) in &entry.set {
        let choice = resolution.fields.iter().find(|(field, _)| field == name).map(|(_, choice)| choice);
        let all = resolution.all.map(Choice::Of);
        match choice.or(all.as_ref()) {
            Some(Choice::Of(Side::Server)) => {}
            Some(Choice::Value(value)) => values.push((name.clone(), value.clone())),
            Some(Choice::Of(Side::Local)) => values.push((name.clone(), local.clone())),
            None if both.contains(&name.as_str()) => {
                let detail = format!("{} \"{}\": both sides changed {name}", entry.entity, entry.id);
                return Err(Error::new(Code::ConflictUndecided, detail));
            }
            None => values.push((name.clone(), local.clone())),
        }
    }
    // A decision may touch what the change did not.
    for (name, choice) in &resolution.fields {
        if let (Choice::Value(value), None) = (choice, entry.set.get(name)) {
            values.push((name.clone(), value.clone()));
        }
    }
    let is_new = |(name, value): &(String, Json)| !same(server.fields.get(name).unwrap_or(&Json::Null), value);
    Ok(values.into_iter().filter(is_new).collect())
}

/// The values as the schema has them, if the record may have them.
fn checked(txn: &Txn<'_>, entry: &Entry, server: &ServerRow, set: &Fields) -> Result<Fields, Interrupt> {
    let schema = txn.schema();
    let entity = schema.entity(&entry.entity)?;
    let before = super::to_row(txn, &entry.entity, server, None)?.values;
    let mut after = before.clone();
    let changed = changed_fields(entity, set)?;
    for (place, value) in &changed {
        if let Some(slot) = after.get_mut(*place) {
            slot.clone_from(value);
        }
    }
    constraints::check(&txn.view(), entity, &entry.id, Some(&before), &after)?;
    Ok(crate::store::write::by_name(entity, changed.iter().map(|(place, value)| (*place, value))))
}
