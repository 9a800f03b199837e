//! The schema of an app: its entities, their fields, and its sync units.
//!
//! Order is part of it: fields and entities are numbered as they were declared.

use crate::error::{Code, Error, Result};

/// Entities of a schema, at most.
pub const ENTITIES_MAX: usize = 256;
/// Fields of an entity, at most; more than [`FIELDS_ADVISED`] is reported (R4).
pub const FIELDS_MAX: usize = 256;
/// Fields of an entity above which the developer is told that local entities should be light.
pub const FIELDS_ADVISED: usize = 50;
/// Bytes of a name, at most.
pub const NAME_BYTES_MAX: usize = 64;

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

/// A named part of the data that is synced together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// The entities whose local changes it sends.
    pub push: Vec<String>,
    /// The entities it brings up to date.
    pub pull: Vec<String>,
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
            if let FieldType::Ref { entity: target, .. } = &field.kind {
                self.entity(target)?;
            }
        }
        Ok(())
    }
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
