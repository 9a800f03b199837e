//! `include`: the records that come along with those a query finds, over references in either direction.
//!
//! ```text
//! place: { via: "placeId" }                                      the record our field names, or null
//! notes: { from: "note", via: "workOrderId", … }                 the records whose field names ours
//! tags:  { through: "orderTag", via: "workOrderId", to: "tagId", … }   those that a third entity puts beside ours
//! … where, orderBy, limit, offset: for each record of its own; and include
//! ```

use whimbrel_protocol::{Fields, Json};

use super::parse::{field_ref, invalid, object};
use super::{FieldRef, Query};
use crate::error::Result;
use crate::model::{Entity, FieldType, NAME_BYTES_MAX, Schema};

/// Includes of a query, all levels together, at most.
pub const INCLUDES_MAX: usize = 16;
/// Includes inside each other, at most.
pub const INCLUDE_DEPTH_MAX: usize = 4;

/// Records that come along.
#[derive(Debug, Clone, PartialEq)]
pub struct Include {
    /// The name under which they stand in each record.
    pub name: String,
    /// How they are found.
    pub link: Link,
    /// Which of them, for each record; its entity is theirs.
    pub query: Query,
}

/// A way from a record to others. Numbers are places of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// To the record that our field names.
    To(usize),
    /// To the records whose field names ours.
    From(usize),
    /// To the records that are named by `to` of those whose `via` names ours.
    Through {
        /// The entity in between.
        entity: String,
        /// Its field that names ours.
        via: usize,
        /// Its field that names theirs.
        to: usize,
    },
}

/// How many includes there are so far, and how deep this one is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nesting {
    count: usize,
    depth: usize,
}

/// Reads `include` of a query over `entity`.
pub(super) fn parse(entity: &Entity, json: &Json, schema: &Schema, nesting: &mut Nesting) -> Result<Vec<Include>> {
    let includes = object("include", json)?;
    nesting.count += includes.len();
    if nesting.count > INCLUDES_MAX || nesting.depth >= INCLUDE_DEPTH_MAX {
        return invalid(format!(
            "a query includes at most {INCLUDES_MAX}, at most {INCLUDE_DEPTH_MAX} inside each other"
        ));
    }
    nesting.depth += 1;
    let mut parsed = Vec::with_capacity(includes.len());
    for (name, part) in includes {
        check_name(entity, name)?;
        let mut parts = object(name, part)?.clone();
        let (link, far) = link(entity, name, &mut parts, schema)?;
        if link.is_one()
            && let Some((other, _)) = parts.iter().find(|(part, _)| part != "include")
        {
            return invalid(format!("include \"{name}\" is one record: it has no \"{other}\""));
        }
        let query = Query::parse_parts(far, &parts, schema, nesting)?;
        if query.after.is_some() {
            return invalid(format!("include \"{name}\": the records of each have no \"after\""));
        }
        parsed.push(Include { name: name.clone(), link, query });
    }
    nesting.depth -= 1;
    Ok(parsed)
}

impl Link {
    /// Whether it leads to one record at most.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        matches!(self, Self::To(_))
    }
}

fn check_name(entity: &Entity, name: &str) -> Result<()> {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= NAME_BYTES_MAX;
    if !is_plain {
        return invalid(format!("include \"{name}\": a name is a letter, then letters, digits and _"));
    }
    if field_ref(entity, name).is_ok() {
        return invalid(format!("include \"{name}\": {} has a field of that name", entity.name));
    }
    Ok(())
}

/// Takes the parts that say where the records are; the entity they are of.
fn link<'s>(entity: &Entity, name: &str, parts: &mut Fields, schema: &'s Schema) -> Result<(Link, &'s Entity)> {
    let mut text = |part: &str| match parts.remove(part) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => invalid(format!("include \"{name}\": \"{part}\" is a name")),
    };
    let (from, through, via, to) = (text("from")?, text("through")?, text("via")?, text("to")?);
    match (from, through, via, to) {
        (None, None, Some(via), None) => {
            let (place, target) = reference(entity, &via)?;
            Ok((Link::To(place), schema.entity(target)?))
        }
        (Some(from), None, Some(via), None) => {
            let far = schema.entity(&from)?;
            Ok((Link::From(reference_to(far, &via, entity)?), far))
        }
        (None, Some(through), Some(via), Some(to)) => {
            let between = schema.entity(&through)?;
            let via = reference_to(between, &via, entity)?;
            let (to, target) = reference(between, &to)?;
            Ok((Link::Through { entity: through, via, to }, schema.entity(target)?))
        }
        _ => invalid(format!("include \"{name}\" has via; from and via; or through, via and to")),
    }
}

/// The place of a field that refers to records, and their entity.
fn reference<'e>(entity: &'e Entity, name: &str) -> Result<(usize, &'e str)> {
    if let FieldRef::Place(place) = field_ref(entity, name)?
        && let Some(FieldType::Ref { entity: target, .. }) = entity.fields.get(place).map(|field| &field.kind)
    {
        return Ok((place, target));
    }
    invalid(format!("{}.{name} refers to no records", entity.name))
}

fn reference_to(entity: &Entity, name: &str, target: &Entity) -> Result<usize> {
    match reference(entity, name)? {
        (place, found) if found == target.name => Ok(place),
        (_, found) => invalid(format!("{}.{name} refers to {found}, not to {}", entity.name, target.name)),
    }
}
