//! Queries, as an app writes them and as the store answers them.
//!
//! ```text
//! {
//!   where: { status: "open", dueAt: { lt: 5 }, or: [ … ] }, orderBy: { dueAt: "asc" }, limit: 50,
//!   after: { dueAt: 3, id: "…" }, include: { … },
//! }
//! ```
//!
//! Null is a value like others: it sorts first, `ne` finds it, and no `lt`, `gt`, `startsWith` does. Rows that are equal in all of `orderBy`
//! follow their ids, in the direction of the last field.

mod include;
mod parse;

use std::cmp::Ordering;

use super::{Value, ValueRef, key};

pub use include::{INCLUDE_DEPTH_MAX, INCLUDES_MAX, Include, Link};

/// Rows that a query without a limit gives.
pub const LIMIT_DEFAULT: u64 = u64::MAX;

/// A query over one entity, checked against its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The entity's name.
    pub entity: String,
    /// Which rows.
    pub filter: Filter,
    /// In which order.
    pub order: Vec<Order>,
    /// How many, at most.
    pub limit: u64,
    /// How many to leave out at the front.
    pub offset: u64,
    /// What comes along with each.
    pub include: Vec<Include>,
    /// Only what comes behind this, in that order.
    pub after: Option<After>,
}

/// A place in the order of a query: that of a record, which need not be there any more.
#[derive(Debug, Clone, PartialEq)]
pub struct After {
    /// The record's values, one for each step of the order.
    pub values: Vec<Value>,
    /// Its id, encoded.
    pub id: Vec<u8>,
}

impl After {
    /// Its value in a field that the order has.
    pub(crate) fn value(&self, query: &Query, field: FieldRef) -> Option<&Value> {
        let place = query.order.iter().position(|step| step.field == field)?;
        self.values.get(place)
    }
}

/// A field of the entity, or its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldRef {
    /// The id.
    Id,
    /// The field at this place of the schema.
    Place(usize),
}

/// One step of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub field: FieldRef,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// Comparisons with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `lt`
    Less,
    /// `lte`
    AtMost,
    /// `gt`
    Greater,
    /// `gte`
    AtLeast,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them; nothing in it is always true.
    And(Vec<Filter>),
    /// At least one of them; nothing in it is never true.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// The field has one of these values; null is one.
    In(FieldRef, Vec<Value>),
    /// The field has a value, and it compares so.
    Compare(FieldRef, Comparison, Value),
    /// The field has a text that starts so.
    StartsWith(FieldRef, String),
    /// The field has a text in which this stands somewhere.
    Contains(FieldRef, String),
}

impl Query {
    /// A query of everything.
    #[must_use]
    pub fn all(entity: &str) -> Self {
        let entity = entity.to_owned();
        Self {
            entity,
            filter: Filter::And(Vec::new()),
            order: Vec::new(),
            limit: LIMIT_DEFAULT,
            offset: 0,
            include: Vec::new(),
            after: None,
        }
    }

    /// Whether ties, rows that are equal in all of `orderBy`, follow their ids from the largest to the smallest.
    #[must_use]
    pub fn ties_descend(&self) -> bool {
        self.order.last().is_some_and(|order| order.descending)
    }
}

impl Filter {
    /// Whether a row has it, given its fields.
    pub fn holds<'a>(&self, read: &impl Fn(FieldRef) -> ValueRef<'a>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(read)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(read)),
            Self::Not(part) => !part.holds(read),
            Self::In(field, values) => {
                let found = read(*field);
                values.iter().any(|value| key::compare(found, value.as_ref()) == Ordering::Equal)
            }
            Self::Compare(field, comparison, value) => {
                let found = read(*field);
                found != ValueRef::Null && comparison.holds(key::compare(found, value.as_ref()))
            }
            Self::StartsWith(field, prefix) => {
                read(*field).text(&mut [0; 36]).is_some_and(|text| text.starts_with(prefix.as_bytes()))
            }
            Self::Contains(field, part) => {
                read(*field).text(&mut [0; 36]).is_some_and(|text| contains(text, part.as_bytes()))
            }
        }
    }
}

/// Whether a part stands in a text; the empty one stands in every one.
fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    let mut left = text;
    while let Some(place) = left.iter().position(|byte| byte == first) {
        left = left.get(place + 1..).unwrap_or_default();
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

impl Comparison {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests;
