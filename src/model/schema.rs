//! The schema of an app: its entities, their fields, and its sync units.
//!
//! Order is part of it: fields and entities are numbered as they were declared.

use whimbrel_merge::Rule;

use super::{Unit, Value};
use crate::error::{Code, Error, Result};

/// Entities of a schema, at most.
pub const ENTITIES_MAX: usize = 256;
/// Fields of an entity, at most; more than [`FIELDS_ADVISED`] is reported (R4).
pub const FIELDS_MAX: usize = 256;
/// Texts that a field may be one of, at most.
pub const ONE_OF_MAX: usize = 1_000;
/// Fields of an entity above which the developer is told that local entities should be light.
pub const FIELDS_ADVISED: usize = 50;
/// Bytes of a name, at most.
pub const NAME_BYTES_MAX: usize = 64;
/// Indexes of an entity, at most.
pub const INDEXES_MAX: usize = 32;
/// Fields of an index, at most.
pub const INDEX_FIELDS_MAX: usize = 8;

const _: () = assert!(FIELDS_ADVISED < FIELDS_MAX);

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// The app's own number of its schema, from 1.
    pub version: u32,
    /// The entities, in the order they were declared.
    pub entities: Vec<Entity>,
    /// The sync units.
    pub units: Vec<Unit>,
}

/// One kind of record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// What may be written here and how differences are settled.
    pub policy: Policy,
    /// Its fields, in the order they were declared. `id` is not among them.
    pub fields: Vec<Field>,
    /// Its indexes over several fields, and those that are unique.
    pub indexes: Vec<IndexSpec>,
    /// Whether it must not be written while there is no network.
    pub locked_offline: bool,
    /// The two references that a record of it stands for; see [`Entity::pair_places`].
    pub pair: Option<[String; 2]>,
}

/// One field of an entity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: FieldType,
    /// Whether a record may be without it.
    pub optional: bool,
    /// Whether an index is kept over it.
    pub index: bool,
    /// The value of a record that is made without one, and of those that were there before the field was.
    pub default: Option<Value>,
    /// Whose value counts when two changes of it meet, with [`Policy::Merge`]; none for a conflict. The server decides; this is what is shown
    /// until then.
    pub rule: Option<Rule>,
}

/// An index that an entity declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexSpec {
    /// Its fields, the one that counts most first.
    pub fields: Vec<String>,
    /// Whether no two records may have the same values in all of them. Records in which one is null are not compared.
    pub unique: bool,
}

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most `max` characters (Unicode scalar values).
    Text {
        /// The limit; none means that only the row's limit holds.
        max: Option<u32>,
        /// The texts that are possible; empty when all are.
        one_of: Vec<String>,
    },
    /// A whole number within ±(2⁵³ − 1).
    Integer,
    /// A finite number.
    Real,
    /// True or false.
    Boolean,
    /// Milliseconds since 1970, UTC.
    Timestamp,
    /// The id of a record of another entity.
    Ref {
        /// The other entity's name.
        entity: String,
        /// What the deletion of the other record does here.
        on_delete: OnDelete,
    },
}

/// What the deletion of a record does to those that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// Nothing: the reference is not enforced on this device, where the other record may never have been.
    #[default]
    Keep,
    /// It is refused while there are any.
    Restrict,
    /// They are deleted too.
    Cascade,
    /// They refer to nothing afterwards.
    SetNull,
}

impl Default for FieldType {
    fn default() -> Self {
        Self::text(None)
    }
}

impl FieldType {
    /// Any text of at most `max` characters.
    #[must_use]
    pub const fn text(max: Option<u32>) -> Self {
        Self::Text { max, one_of: Vec::new() }
    }
}

/// What may be written locally, and how the server settles differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Pulled only.
    ReadOnly,
    /// New records only.
    AppendOnly,
    /// By field, the last change to reach the server wins.
    #[default]
    LastWriteWins,
    /// By field, against the value the change was made on.
    Merge,
    /// A change made on an older version is a conflict.
    DetectConflicts,
}

impl Entity {
    /// Every index that is kept: the places of its fields, and whether it is unique. Those of single fields come first; fields that are named
    /// in the same order twice have one index. Fields that are not there are left out.
    #[must_use]
    pub fn index_places(&self) -> Vec<(Vec<usize>, bool)> {
        let single = self.fields.iter().enumerate().filter(|(_, field)| field.has_index());
        let mut all: Vec<(Vec<usize>, bool)> = single.map(|(place, _)| (vec![place], false)).collect();
        for spec in &self.indexes {
            let place = |name: &String| self.fields.iter().position(|field| field.name == *name);
            let places: Vec<usize> = spec.fields.iter().filter_map(place).collect();
            match all.iter_mut().find(|(known, _)| *known == places) {
                Some((_, unique)) => *unique |= spec.unique,
                None => all.push((places, spec.unique)),
            }
        }
        all
    }
}

impl Field {
    /// Whether it has an index of its own: a reference that is enforced is looked up from the other side.
    fn has_index(&self) -> bool {
        self.index || matches!(self.kind, FieldType::Ref { on_delete, .. } if on_delete != OnDelete::Keep)
    }
}

impl Schema {
    /// Checks everything that can be said of a schema by itself.
    ///
    /// # Errors
    /// [`Code::SchemaInvalid`] with the place; [`Code::UnknownEntity`] for a ref or unit that names none.
    pub fn check(&self) -> Result<()> {
        if self.version == 0 || self.entities.is_empty() || self.entities.len() > ENTITIES_MAX {
            return Err(Error::new(
                Code::SchemaInvalid,
                format!("a schema has a version from 1 and 1 to {ENTITIES_MAX} entities"),
            ));
        }
        check_names("entity", self.entities.iter().map(|entity| &entity.name))?;
        check_names("unit", self.units.iter().map(|unit| &unit.name))?;
        for entity in &self.entities {
            self.check_entity(entity)?;
        }
        for unit in &self.units {
            if unit.push.is_empty() && unit.pull.is_empty() {
                return Err(Error::new(Code::SchemaInvalid, format!("unit {} names no entity", unit.name)));
            }
            for name in unit.push.iter().chain(&unit.pull) {
                self.entity(name)?;
            }
        }
        Ok(())
    }

    /// The entity of that name.
    ///
    /// # Errors
    /// [`Code::UnknownEntity`].
    pub fn entity(&self, name: &str) -> Result<&Entity> {
        self.entities
            .iter()
            .find(|entity| entity.name == name)
            .ok_or_else(|| Error::new(Code::UnknownEntity, format!("there is no entity \"{name}\"")))
    }

    /// The unit of that name.
    ///
    /// # Errors
    /// [`Code::UnknownUnit`].
    pub fn unit(&self, name: &str) -> Result<&Unit> {
        self.units
            .iter()
            .find(|unit| unit.name == name)
            .ok_or_else(|| Error::new(Code::UnknownUnit, format!("there is no sync unit \"{name}\"")))
    }

    fn check_entity(&self, entity: &Entity) -> Result<()> {
        if entity.fields.is_empty() || entity.fields.len() > FIELDS_MAX {
            return Err(Error::new(
                Code::SchemaInvalid,
                format!("entity {} has {} fields; 1 to {FIELDS_MAX} are possible", entity.name, entity.fields.len()),
            ));
        }
        check_names("field", entity.fields.iter().map(|field| &field.name))?;
        for field in &entity.fields {
            if field.name == "id" {
                return Err(Error::new(Code::SchemaInvalid, format!("{}.id is declared by the engine", entity.name)));
            }
            self.check_kind(field).and_then(|()| check_rule(entity, field)).map_err(|error| {
                Error::new(error.code(), format!("{}.{}: {}", entity.name, field.name, error.detail()))
            })?;
        }
        entity.check_pair()?;
        check_indexes(entity)
    }

    fn check_kind(&self, field: &Field) -> Result<()> {
        match &field.kind {
            FieldType::Ref { entity, on_delete } => {
                self.entity(entity)?;
                if *on_delete == OnDelete::SetNull && !field.optional {
                    return Err(Error::new(Code::SchemaInvalid, "what a deletion sets to null is optional"));
                }
                Ok(())
            }
            FieldType::Text { one_of, .. } if one_of.len() > ONE_OF_MAX => {
                Err(Error::new(Code::SchemaInvalid, format!("{} texts; {ONE_OF_MAX} are possible", one_of.len())))
            }
            _ => Ok(()),
        }
    }
}

fn check_rule(entity: &Entity, field: &Field) -> Result<()> {
    let Some(rule) = field.rule else { return Ok(()) };
    let is_number = matches!(field.kind, FieldType::Integer | FieldType::Real);
    let wrong = match rule {
        _ if entity.policy != Policy::Merge => "merge is for entities whose policy is merge",
        Rule::Sum if !is_number => "sum is for numbers",
        Rule::Union if !matches!(field.kind, FieldType::Text { .. }) => "union is for text",
        Rule::Server | Rule::Client | Rule::Newest | Rule::Sum | Rule::Union => return Ok(()),
    };
    Err(Error::new(Code::SchemaInvalid, wrong))
}

fn check_indexes(entity: &Entity) -> Result<()> {
    for IndexSpec { fields, .. } in &entity.indexes {
        if fields.is_empty() || fields.len() > INDEX_FIELDS_MAX {
            let detail =
                format!("an index of {} has 1 to {INDEX_FIELDS_MAX} fields, not {}", entity.name, fields.len());
            return Err(Error::new(Code::SchemaInvalid, detail));
        }
        for (place, name) in fields.iter().enumerate() {
            let is_known = entity.fields.iter().any(|field| field.name == *name);
            if !is_known || fields.iter().take(place).any(|before| before == name) {
                let what = if is_known { " twice" } else { ", which is not there" };
                let detail = format!("the index [{}] of {} names {name}{what}", fields.join(", "), entity.name);
                return Err(Error::new(Code::SchemaInvalid, detail));
            }
        }
    }
    let count = entity.index_places().len();
    if count > INDEXES_MAX {
        let detail = format!("entity {} has {count} indexes; {INDEXES_MAX} are possible", entity.name);
        return Err(Error::new(Code::SchemaInvalid, detail));
    }
    Ok(())
}

fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen: Vec<&String> = Vec::new();
    for name in names {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        if !plain || !starts || name.len() > NAME_BYTES_MAX {
            let detail =
                format!("{what} name \"{name}\": a letter, then letters, digits and _, {NAME_BYTES_MAX} at most");
            return Err(Error::new(Code::SchemaInvalid, detail));
        }
        if seen.contains(&name) {
            return Err(Error::new(Code::SchemaInvalid, format!("{what} {name} is declared twice")));
        }
        seen.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(fields: usize, indexes: &[(&[&str], bool)]) -> Entity {
        let field = |number: usize| Field { name: format!("f{number}"), index: number < 2, ..Field::default() };
        let spec = |(names, unique): &(&[&str], bool)| IndexSpec {
            fields: names.iter().map(|name| (*name).to_owned()).collect(),
            unique: *unique,
        };
        Entity {
            name: "e".to_owned(),
            fields: (0..fields).map(field).collect(),
            indexes: indexes.iter().map(spec).collect(),
            ..Entity::default()
        }
    }

    fn check(entity: Entity) -> Result<()> {
        Schema { version: 1, entities: vec![entity], ..Schema::default() }.check()
    }

    #[test]
    fn a_field_that_cannot_be_is_named() {
        let refused = |kind, optional| {
            let mut entity = entity(1, &[]);
            entity.fields[0] = Field { name: "f".to_owned(), kind, optional, ..Field::default() };
            check(entity).err().map(|error| error.to_string())
        };
        let reference = |on_delete| FieldType::Ref { entity: "e".to_owned(), on_delete };
        let expected = "schema/invalid: e.f: what a deletion sets to null is optional".to_owned();
        assert_eq!(refused(reference(OnDelete::SetNull), false), Some(expected));
        assert_eq!(refused(reference(OnDelete::SetNull), true), None);
        assert_eq!(refused(reference(OnDelete::Cascade), false), None);
        let nowhere = FieldType::Ref { entity: "g".to_owned(), on_delete: OnDelete::Keep };
        assert_eq!(refused(nowhere, true), Some("schema/unknown-entity: e.f: there is no entity \"g\"".to_owned()));
        let choice = |texts: usize| FieldType::Text { max: None, one_of: vec![String::new(); texts] };
        assert_eq!(refused(choice(1_000), true), None);
        assert_eq!(refused(choice(1_001), true), Some("schema/invalid: e.f: 1001 texts; 1000 are possible".to_owned()));
    }

    #[test]
    fn an_index_is_kept_once() {
        let mut given =
            entity(4, &[(&["f1", "f0"], false), (&["f0"], true), (&["f1", "f0"], true), (&["f0", "f1"], false)]);
        given.fields[3].kind = FieldType::Ref { entity: "e".to_owned(), on_delete: OnDelete::Cascade };
        assert_eq!(check(given.clone()), Ok(()));
        let expected = [(vec![0], true), (vec![1], false), (vec![3], false), (vec![1, 0], true), (vec![0, 1], false)];
        assert_eq!(given.index_places(), expected);
    }

    #[test]
    fn an_index_that_cannot_be_is_named() {
        let detail = |entity| check(entity).unwrap_err().detail().to_owned();
        assert_eq!(detail(entity(2, &[(&[], false)])), "an index of e has 1 to 8 fields, not 0");
        let names: Vec<String> = (0..9).map(|number| format!("f{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(detail(entity(9, &[(&names, false)])), "an index of e has 1 to 8 fields, not 9");
        let twice = detail(entity(2, &[(&["f0", "f1", "f0"], false)]));
        assert_eq!(twice, "the index [f0, f1, f0] of e names f0 twice");
        assert_eq!(detail(entity(2, &[(&["f0", "g"], true)])), "the index [f0, g] of e names g, which is not there");
        let mut many = entity(33, &[]);
        many.fields.iter_mut().for_each(|field| field.index = true);
        assert_eq!(detail(many), "entity e has 33 indexes; 32 are possible");
    }
}
