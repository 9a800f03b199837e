//! From the catalog of one version to that of the next: what is renamed, what comes and goes, and what rows need for it.
//!
//! ```text
//! catalog ──(steps)──► names as they are now ──(schema)──► new entities, fields, indexes = the draft
//!                      removed, converted: no name          fills: new fields whose values come from old ones, or are defaults
//! ```
//!
//! **Invariant:** the draft follows from catalog, steps and schema alone: whoever goes on after a crash makes the same one.

use super::Schema;
use super::catalog::{Catalog, CatalogEntity};
use super::steps::{Step, StepOp};
use crate::error::{Code, Error, Result};

/// A catalog to come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) catalog: Catalog,
    /// Entities whose rows need values.
    pub(crate) fills: Vec<Filled>,
    /// Entities that were there and have fields that are new: what the server has in them is not here.
    pub(crate) grown: Vec<String>,
    /// Entities that have another name now: before, after.
    pub(crate) renamed: Vec<(String, String)>,
    /// What cannot be when the map has rows.
    pub(crate) wanting: Vec<(u16, String)>,
}

/// An entity whose rows need values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Its rows' map.
    pub(crate) map: u16,
    /// Its place in the schema.
    pub(crate) place: usize,
    /// Slots in a row when all are there.
    pub(crate) slots: usize,
    pub(crate) fills: Vec<Fill>,
}

/// A field whose values are to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Where they go.
    pub(crate) slot: usize,
    /// The field's place in its entity.
    pub(crate) place: usize,
    /// Where they come from, and the functions they go through; none for the default.
    pub(crate) source: Option<(usize, Vec<u32>)>,
}

/// A field whose values go to another slot.
struct Moved {
    map: u16,
    slot: usize,
    /// Its name so far.
    name: String,
    by: Vec<u32>,
}

impl Draft {
    /// The catalog for a schema.
    ///
    /// # Errors
    /// `schema/invalid` for a step that cannot be, and when numbers are used up.
    pub(crate) fn new(known: &Catalog, steps: &[Step], schema: &Schema) -> Result<Self> {
        let mut catalog = known.at(schema.version);
        let mut moved = Vec::new();
        for step in steps {
            take(&mut catalog, step, &mut moved)?;
        }
        for index in &catalog.adopt(schema)?.indexes {
            let entities = catalog.entities.iter_mut().filter(|entity| entity.map == index.entity);
            let indexes = entities.flat_map(|entity| &mut entity.indexes).filter(|built| built.map == index.map);
            let is_old = known.entities.iter().any(|entity| entity.map == index.entity);
            indexes.for_each(|built| built.building = is_old);
        }
        let (fills, grown, renamed, wanting) = Default::default();
        let mut draft = Self { catalog, fills, grown, renamed, wanting };
        for before in &known.entities {
            draft.compare(before, schema, &moved, known.version() == schema.version);
        }
        Ok(draft)
    }

    /// What an entity that was there needs.
    fn compare(&mut self, before: &CatalogEntity, schema: &Schema, moved: &[Moved], is_same_version: bool) {
        let Some(now) = self.catalog.entities.iter().find(|now| now.map == before.map && !now.name.is_empty()) else {
            return;
        };
        if now.name != before.name {
            self.renamed.push((before.name.clone(), now.name.clone()));
        }
        let Some(place) = schema.entities.iter().position(|entity| entity.name == now.name) else { return };
        let Some(entity) = schema.entities.get(place) else { return };
        let (mut fills, mut has_grown) = (Vec::new(), false);
        for (place, slot) in now.slots(entity).into_iter().enumerate().filter(|(_, slot)| *slot >= before.fields.len())
        {
            let Some(field) = entity.fields.get(place) else { continue };
            let source = moved.iter().find(|moved| moved.map == now.map && moved.name == field.name);
            has_grown |= source.is_none();
            let is_other_kind = now.fields.iter().take(before.fields.len()).any(|known| known.name == field.name);
            if source.is_none() && is_other_kind {
                self.wanting.push(wanting(now, &field.name, "has another type: a step has to convert or remove it"));
            } else if source.is_none() && field.default.is_none() {
                if !field.optional {
                    self.wanting.push(wanting(now, &field.name, "is new and must have a value: it needs a default"));
                }
            } else {
                let source = source.map(|moved| (moved.slot, moved.by.clone()));
                fills.push(Fill { slot, place, source });
            }
        }
        if is_same_version && !fills.is_empty() {
            self.wanting.push(wanting(now, "", "has a new field with a default: the schema needs a new version"));
        }
        if has_grown {
            self.grown.push(now.name.clone());
        }
        if !fills.is_empty() {
            self.fills.push(Filled { map: now.map, place, slots: now.fields.len(), fills });
        }
    }
}

fn wanting(entity: &CatalogEntity, field: &str, why: &str) -> (u16, String) {
    let dot = if field.is_empty() { "" } else { "." };
    (entity.map, format!("{}{dot}{field} {why}, because there are records already", entity.name))
}

/// Makes a step. What it is about may not be there: a store need not have seen everything that a version had.
fn take(catalog: &mut Catalog, step: &Step, moved: &mut Vec<Moved>) -> Result<()> {
    let taken = |what: &str| {
        Err(Error::new(Code::SchemaInvalid, format!("a step to version {}: there is a {what} already", step.version)))
    };
    if let StepOp::RenameEntity(to) = &step.op
        && catalog.entity(to).is_some()
    {
        return taken(to);
    }
    let Some(entity) = catalog.entities.iter_mut().find(|entity| entity.name == step.entity) else { return Ok(()) };
    let of_entity = |moved: &Moved, name: &str| moved.map == entity.map && moved.name == name;
    match &step.op {
        StepOp::Rename { from, to } => {
            let is_there = entity.fields.iter().any(|field| field.name == *to);
            if is_there || moved.iter().any(|moved| of_entity(moved, to)) {
                return taken(&format!("{}.{to}", step.entity));
            }
            let fields = entity.fields.iter_mut().filter(|field| field.name == *from);
            fields.for_each(|field| field.name.clone_from(to));
            let moved = moved.iter_mut().filter(|moved| of_entity(moved, from));
            moved.for_each(|moved| moved.name.clone_from(to));
        }
        StepOp::Remove(field) => {
            moved.retain(|moved| !of_entity(moved, field));
            drop_field(entity, field);
        }
        StepOp::Convert { field, by } => {
            if let Some(moved) = moved.iter_mut().find(|moved| of_entity(moved, field)) {
                moved.by.push(*by);
            } else if let Some(slot) = entity.fields.iter().rposition(|known| known.name == *field) {
                moved.push(Moved { map: entity.map, slot, name: field.clone(), by: vec![*by] });
                drop_field(entity, field);
            }
        }
        StepOp::RenameEntity(to) => entity.name.clone_from(to),
        StepOp::RemoveEntity => entity.name.clear(),
    }
    Ok(())
}

/// A field loses its name, and the indexes over it are not kept any more.
fn drop_field(entity: &mut CatalogEntity, name: &str) {
    for (slot, field) in entity.fields.iter_mut().enumerate().filter(|(_, field)| field.name == name) {
        field.name.clear();
        entity.indexes.retain(|index| !index.slots.contains(&slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entity, Field, FieldType, Value};

    fn schema(version: u32, entity: &str, fields: &[(&str, FieldType)]) -> Schema {
        let field = |(name, kind): &(&str, FieldType)| Field {
            name: (*name).to_owned(),
            kind: kind.clone(),
            index: *name == "floor",
            ..Field::default()
        };
        let entity =
            Entity { name: entity.to_owned(), fields: fields.iter().map(field).collect(), ..Entity::default() };
        Schema { version, entities: vec![entity], ..Schema::default() }
    }

    fn step(version: u32, op: StepOp) -> Step {
        Step { version, entity: "order".to_owned(), op }
    }

    fn rename(from: &str, to: &str) -> StepOp {
        StepOp::Rename { from: from.to_owned(), to: to.to_owned() }
    }

    /// Version 1: title, floor (text, with an index), done.
    fn first() -> Catalog {
        let text = FieldType::text(None);
        let fields = [("title", text.clone()), ("floor", text), ("done", FieldType::Boolean)];
        Draft::new(&Catalog::default(), &[], &schema(1, "order", &fields)).unwrap().catalog
    }

    #[test]
    fn steps_make_names_and_fills() {
        let first = first();
        assert_eq!((first.version(), first.building().len()), (1, 0));
        let steps = [
            step(2, rename("title", "name")),
            step(2, StepOp::Convert { field: "floor".to_owned(), by: 7 }),
            step(3, rename("floor", "level")),
            step(3, StepOp::Convert { field: "level".to_owned(), by: 9 }),
            step(3, rename("level", "floor")),
            step(3, StepOp::Remove("done".to_owned())),
            step(3, StepOp::Remove("never seen".to_owned())),
            step(3, StepOp::RenameEntity("job".to_owned())),
        ];
        let third = schema(3, "job", &[("floor", FieldType::Integer), ("name", FieldType::text(None))]);
        let draft = Draft::new(&first, &steps, &third).unwrap();
        let job = draft.catalog.entity("job").unwrap();
        let names: Vec<&str> = job.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["name", "", "", "floor"]);
        let fills = vec![Fill { slot: 3, place: 0, source: Some((1, vec![7, 9])) }];
        assert_eq!(draft.fills, [Filled { map: job.map, place: 0, slots: 4, fills }]);
        let building = draft.catalog.building();
        assert_eq!((building.len(), &*building[0].slots), (1, &[3][..]));
        assert_eq!(job.indexes.len(), 1, "nobody keeps the index over the old floor");
        assert_eq!(draft.renamed, [("order".to_owned(), "job".to_owned())]);
        assert!(draft.grown.is_empty() && draft.wanting.is_empty());
        // Later steps alone are what a store at version 2 needs: it has the fields of version 2.
        assert_eq!(Draft::new(&draft.catalog, &[], &third).unwrap().catalog, draft.catalog);
    }

    #[test]
    fn what_records_would_lack_is_said() {
        let text = FieldType::text(None);
        let mut second = schema(2, "order", &[("title", text.clone()), ("floor", FieldType::Integer), ("by", text)]);
        let wanting = |schema: &Schema| -> Vec<String> {
            let draft = Draft::new(&first(), &[], schema).unwrap();
            draft.wanting.into_iter().map(|(_, why)| why).collect()
        };
        let floor =
            "order.floor has another type: a step has to convert or remove it, because there are records already";
        let by = "order.by is new and must have a value: it needs a default, because there are records already";
        assert_eq!(wanting(&second), [floor, by]);
        second.entities[0].fields[1].kind = FieldType::text(None);
        second.entities[0].fields[2].default = Some(Value::Text("us".to_owned()));
        assert!(wanting(&second).is_empty());
        second.version = 1;
        let version =
            "order has a new field with a default: the schema needs a new version, because there are records already";
        assert_eq!(wanting(&second), [version]);
    }

    #[test]
    fn a_step_onto_a_name_that_is_there_is_refused() {
        let second = schema(2, "order", &[("title", FieldType::text(None))]);
        let error = Draft::new(&first(), &[step(2, rename("title", "done"))], &second).unwrap_err();
        assert_eq!(error.to_string(), "schema/invalid: a step to version 2: there is a order.done already");
        let onto_itself = step(2, StepOp::RenameEntity("order".to_owned()));
        assert!(Draft::new(&first(), &[onto_itself], &second).is_err());
    }

    #[test]
    fn numbers_of_a_way_that_was_given_up_are_not_used_again() {
        let mut catalog = first();
        let convert = [step(2, StepOp::Convert { field: "floor".to_owned(), by: 0 })];
        let second = schema(2, "order", &[("floor", FieldType::Integer)]);
        let draft = Draft::new(&catalog, &convert, &second).unwrap();
        catalog.set_next(draft.catalog);
        assert_eq!(catalog.newest(), 2);
        catalog.abandon();
        assert_eq!(catalog.newest(), 1);
        let again = Draft::new(&catalog, &convert, &second).unwrap();
        assert_eq!(again.fills[0].fills[0].slot, 4);
        assert!(again.catalog.building()[0].map > draft_map(&convert, &second));
    }

    fn draft_map(steps: &[Step], schema: &Schema) -> u16 {
        Draft::new(&first(), steps, schema).unwrap().catalog.building()[0].map
    }
}
