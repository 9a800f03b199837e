//! What a local write must leave true: references that are enforced name records that are there, and unique values are those of one record.
//!
//! ```text
//! delete of a record ─► who refers to it ─┬─ restrict: refused
//!                                         ├─ setNull: refers to nothing afterwards
//!                                         └─ cascade: is deleted too ─► who refers to that …
//! ```
//!
//! Only what is written here is checked. What the server says is right, also when it clashes with a change that waits: the server decides that.
//!
//! **Invariant:** what a deletion does to others is written before it, in the same commit: those that refer before those that are referred to;
//! references in a ring are taken away before that.

use whimbrel_protocol::{Fields, Json, Op};

use super::keys::{MapId, full_key};
use super::view::{Interrupt, View};
use super::write::LocalWrite;
use crate::error::{Code, Error, Result};
use crate::model::{Entity, Field, FieldType, OnDelete, RowRef, Schema, Value, ValueRef, key};

/// Records that one deletion may change or delete, at most.
const CASCADE_MAX: usize = 10_000;

const _: () = assert!((CASCADE_MAX as u64) < super::OUTBOX_MAX);

/// Checks a record's new values; what has not changed is not looked at.
///
/// # Errors
/// `constraint/ref-missing`, `constraint/unique`.
pub(super) fn check(
    view: &View<'_>,
    entity: &Entity,
    id: &str,
    old: Option<&[Value]>,
    new: &[Value],
) -> Result<(), Interrupt> {
    let is_new = |place: usize| old.is_none_or(|old| old.get(place) != new.get(place));
    for (place, field) in entity.fields.iter().enumerate().filter(|(place, _)| is_new(*place)) {
        let FieldType::Ref { entity: target, on_delete } = &field.kind else { continue };
        let Some(Value::Text(other)) = new.get(place) else { continue };
        let is_itself = *target == entity.name && other == id;
        if *on_delete != OnDelete::Keep && !is_itself && !is_there(view, target, other)? {
            let detail = format!("{}.{} names {target} \"{other}\", which does not exist", entity.name, field.name);
            return Err(Error::new(Code::RefMissing, detail).into());
        }
    }
    let table = view.table(&entity.name)?;
    for index in table.indexes.iter().filter(|index| index.unique) {
        let places = || index.slots.iter().filter_map(|slot| table.columns.get(*slot)?.place);
        if !places().any(is_new) {
            continue;
        }
        if let Some(other) = view.same_values(table, index, new, id)? {
            let names: Vec<&str> = places().filter_map(|place| Some(entity.fields.get(place)?.name.as_str())).collect();
            let detail = format!("{} \"{other}\" has the same {}", entity.name, names.join(" and "));
            return Err(Error::new(Code::NotUnique, detail).into());
        }
    }
    Ok(())
}

fn is_there(view: &View<'_>, entity: &str, id: &str) -> Result<bool, Interrupt> {
    let bytes = view.find(&full_key(MapId(view.table(entity)?.map), &key::id_key(id)))?;
    Ok(bytes.map(|bytes| RowRef::new(&bytes).map(|row| !row.deleted())).transpose()?.unwrap_or(false))
}

/// What has to be written before a record is deleted, in order.
///
/// # Errors
/// `constraint/ref-restricted`, `constraint/cascade-limit`.
pub(super) fn before_delete(view: &View<'_>, write: &LocalWrite) -> Result<Vec<LocalWrite>, Interrupt> {
    let schema = &view.state.schema;
    let Some(entity) = schema.entities.iter().position(|entity| entity.name == write.entity) else {
        return Ok(Vec::new());
    };
    let mut deletion = Deletion { view, schema, nodes: Vec::new(), sorted: Vec::new(), others: Vec::new() };
    deletion.add(entity, key::id_key(&write.id));
    let mut place = 0;
    while place < deletion.nodes.len() {
        deletion.look_at(place)?;
        place += 1;
    }
    deletion.writes(write)
}

/// A record that is to be deleted.
struct Node {
    /// The place of its entity in the schema.
    entity: usize,
    id: Vec<u8>,
    /// Those that refer to it: their places, and with which field.
    children: Vec<(usize, usize)>,
    visit: Visit,
}

/// How far the search for the order is with a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    /// On the path to where the search is.
    Open,
    Done,
}

/// A record that refers to one that is to be deleted, and need not be deleted for that.
struct Other {
    entity: usize,
    field: usize,
    id: Vec<u8>,
    on_delete: OnDelete,
    parent: usize,
}

/// A deletion and what it does to others.
struct Deletion<'a> {
    view: &'a View<'a>,
    schema: &'a Schema,
    /// The record itself first.
    nodes: Vec<Node>,
    /// The places of the nodes by entity and id.
    sorted: Vec<usize>,
    others: Vec<Other>,
}

impl Deletion<'_> {
    fn find(&self, entity: usize, id: &[u8]) -> Result<usize, usize> {
        let key = |place: &usize| self.nodes.get(*place).map(|node| (node.entity, node.id.as_slice()));
        let found = self.sorted.binary_search_by(|place| key(place).cmp(&Some((entity, id))));
        found.map(|index| self.sorted.get(index).copied().unwrap_or_default())
    }

    /// The place of a record among those that are to be deleted.
    fn add(&mut self, entity: usize, id: Vec<u8>) -> usize {
        self.find(entity, &id).unwrap_or_else(|index| {
            let place = self.nodes.len();
            self.nodes.push(Node { entity, id, children: Vec::new(), visit: Visit::New });
            self.sorted.insert(index, place);
            place
        })
    }

    fn link(&mut self, parent: usize, child: usize, field: usize) {
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.push((child, field));
        }
    }

    /// Finds those that refer to a record.
    fn look_at(&mut self, parent: usize) -> Result<(), Interrupt> {
        let Some(Node { entity: of, id, .. }) = self.nodes.get(parent) else { return Ok(()) };
        let (of, mut text) = (*of, Vec::new());
        key::decode_id(id, &mut text);
        let schema = self.schema;
        for (entity, child) in schema.entities.iter().enumerate() {
            for (field, declared) in child.fields.iter().enumerate() {
                let FieldType::Ref { entity: target, on_delete } = &declared.kind else { continue };
                if *on_delete == OnDelete::Keep || schema.entities.get(of).is_none_or(|of| of.name != *target) {
                    continue;
                }
                let room = CASCADE_MAX.saturating_sub(self.nodes.len() + self.others.len());
                let ids = self.referring(child, field, &text, room + 1)?;
                if ids.len() > room {
                    return Err(self.too_many(parent, *on_delete).into());
                }
                for id in ids {
                    if *on_delete == OnDelete::Cascade {
                        let child = self.add(entity, id);
                        self.link(parent, child, field);
                    } else {
                        self.others.push(Other { entity, field, id, on_delete: *on_delete, parent });
                    }
                }
            }
        }
        Ok(())
    }

    fn referring(&self, child: &Entity, field: usize, id: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Interrupt> {
        let table = self.view.table(&child.name)?;
        let slot = table.slot(field);
        let index = table.indexes.iter().find(|index| index.slots == [slot]);
        let index = index.ok_or_else(|| Error::new(Code::Internal, "a reference that is enforced has no index"))?;
        self.view.ids_with(table, index, &[ValueRef::Text(id)], most)
    }

    fn too_many(&self, parent: usize, on_delete: OnDelete) -> Error {
        let code = if on_delete == OnDelete::Restrict { Code::RefRestricted } else { Code::CascadeLimit };
        Error::new(code, format!("more than {CASCADE_MAX} records refer to {}", self.name(self.nodes.get(parent))))
    }

    /// All that was found, as writes. Restricting references among what is deleted anyway stand in nobody's way.
    fn writes(mut self, write: &LocalWrite) -> Result<Vec<LocalWrite>, Interrupt> {
        let (mut restricting, mut writes) = (Vec::new(), Vec::new());
        for other in std::mem::take(&mut self.others) {
            match (self.find(other.entity, &other.id), other.on_delete) {
                (Ok(child), _) => self.link(other.parent, child, other.field),
                (Err(_), OnDelete::SetNull) => {
                    let field =
                        self.schema.entities.get(other.entity).and_then(|entity| entity.fields.get(other.field));
                    let fields = field.map(|field| (field.name.clone(), Json::Null)).into_iter().collect();
                    writes.push(self.write(Op::Update, other.entity, &other.id, fields, write, writes.len()));
                }
                (Err(_), _) => restricting.push(other),
            }
        }
        if let Some(other) = restricting.first() {
            let (count, name) = (restricting.len(), self.name(self.nodes.get(other.parent)));
            let example = self.name_of(other.entity, &other.id);
            let detail = format!("{count} records restrict the deletion of {name}: {example} refers to it");
            return Err(Error::new(Code::RefRestricted, detail).into());
        }
        let (order, closing) = self.order();
        for (place, field) in closing {
            if let (Some(node), Some(field)) = (self.nodes.get(place), self.field(place, field)) {
                let fields = [(field.name.clone(), Json::Null)].into_iter().collect();
                writes.push(self.write(Op::Update, node.entity, &node.id, fields, write, writes.len()));
            }
        }
        for place in order {
            if let Some(node) = self.nodes.get(place).filter(|_| place > 0) {
                writes.push(self.write(Op::Delete, node.entity, &node.id, Fields::new(), write, writes.len()));
            }
        }
        Ok(writes)
    }

    /// The places of the nodes, those that refer before those they refer to: the order in which a depth-first search leaves them. And the references
    /// that close a ring, with which there is no such order. One that is required stays, so its ring does.
    fn order(&mut self) -> (Vec<usize>, Vec<(usize, usize)>) {
        let (mut order, mut closing) = (Vec::with_capacity(self.nodes.len()), Vec::new());
        let mut path = vec![0];
        while let Some(place) = path.last().copied() {
            let child = self.nodes.get_mut(place).and_then(|node| {
                node.visit = Visit::Open;
                node.children.pop()
            });
            let Some((child, field)) = child else {
                path.pop();
                order.push(place);
                if let Some(node) = self.nodes.get_mut(place) {
                    node.visit = Visit::Done;
                }
                continue;
            };
            match self.nodes.get(child).map(|node| node.visit) {
                Some(Visit::New) => path.push(child),
                Some(Visit::Open) if child != place && self.field(child, field).is_some_and(|field| field.optional) => {
                    closing.push((child, field));
                }
                _ => {}
            }
        }
        (order, closing)
    }

    fn field(&self, node: usize, field: usize) -> Option<&Field> {
        self.schema.entities.get(self.nodes.get(node)?.entity)?.fields.get(field)
    }

    fn write(&self, op: Op, entity: usize, id: &[u8], fields: Fields, cause: &LocalWrite, number: usize) -> LocalWrite {
        let entity = self.schema.entities.get(entity).map(|entity| entity.name.clone()).unwrap_or_default();
        LocalWrite { op, entity, id: text(id), fields, change: derived(&cause.change, number), at: cause.at }
    }

    fn name(&self, node: Option<&Node>) -> String {
        node.map(|node| self.name_of(node.entity, &node.id)).unwrap_or_default()
    }

    fn name_of(&self, entity: usize, id: &[u8]) -> String {
        let entity = self.schema.entities.get(entity).map_or("", |entity| &entity.name);
        format!("{entity} \"{}\"", text(id))
    }
}

fn text(id: &[u8]) -> String {
    let mut text = Vec::new();
    key::decode_id(id, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The id of a change that comes of another one: that one's, its random end moved on.
fn derived(change: &str, number: usize) -> String {
    const END: usize = 12;
    let split = change.len().checked_sub(END).and_then(|at| change.split_at_checked(at));
    let (head, end) = split.unwrap_or((change, ""));
    let end = u64::from_str_radix(end, 16).unwrap_or_default().wrapping_add(number as u64 + 1);
    format!("{head}{:012x}", end & ((1 << (4 * END)) - 1))
}
