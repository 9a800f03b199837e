//! Queries, as an app writes them and as the store answers them.
//!
//! ```text
//! { where: { status: "open", dueAt: { lt: 5 }, or: [ … ] }, orderBy: { dueAt: "asc" }, limit: 50, offset: 0 }
//! ```
//!
//! Null is a value like others: it sorts first, `ne` finds it, and no `lt`, `gt`, `startsWith` does. Rows that are equal in all of `orderBy`
//! follow their ids, in the direction of the last field.

use std::cmp::Ordering;

use whimbrel_protocol::{Fields, Json};

use super::{Entity, FieldType, Schema, Value, ValueRef, key};
use crate::error::{Code, Error, Result};

/// Rows that a query without a limit gives.
pub const LIMIT_DEFAULT: u64 = u64::MAX;
/// Parts of a filter inside each other, at most.
const DEPTH_MAX: usize = 32;
/// Values of an `in`, and parts of a filter, at most.
const TERMS_MAX: usize = 4_096;

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
}

impl Query {
    /// A query of everything.
    #[must_use]
    pub fn all(entity: &str) -> Self {
        let entity = entity.to_owned();
        Self { entity, filter: Filter::And(Vec::new()), order: Vec::new(), limit: LIMIT_DEFAULT, offset: 0 }
    }

    /// Reads what an app wrote.
    ///
    /// # Errors
    /// `schema/unknown-entity`, `schema/unknown-field`, `value/type`, `query/invalid`.
    pub fn parse(entity: &str, json: &Json, schema: &Schema) -> Result<Self> {
        let entity = schema.entity(entity)?;
        let mut query = Self::all(&entity.name);
        for (name, part) in object("the query", json)? {
            match name.as_str() {
                "where" => {
                    let mut parser = Parser { entity, terms: 0 };
                    query.filter = parser.filter(object("where", part)?, 0)?;
                }
                "orderBy" => order_by(entity, part, &mut query.order)?,
                "limit" => query.limit = count("limit", part)?,
                "offset" => query.offset = count("offset", part)?,
                _ => return invalid(format!("a query has no \"{name}\"; it has where, orderBy, limit and offset")),
            }
        }
        Ok(query)
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
            Self::StartsWith(field, prefix) => match read(*field) {
                ValueRef::Text(text) => text.starts_with(prefix.as_bytes()),
                _ => false,
            },
        }
    }
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

struct Parser<'a> {
    entity: &'a Entity,
    terms: usize,
}

impl Parser<'_> {
    fn filter(&mut self, parts: &Fields, depth: usize) -> Result<Filter> {
        self.count(1)?;
        if depth > DEPTH_MAX {
            return invalid(format!("where is nested deeper than {DEPTH_MAX} levels"));
        }
        let mut all = Vec::with_capacity(parts.len());
        for (name, part) in parts {
            match name.as_str() {
                "and" => all.push(Filter::And(self.list(name, part, depth)?)),
                "or" => all.push(Filter::Or(self.list(name, part, depth)?)),
                "not" => all.push(Filter::Not(Box::new(self.filter(object(name, part)?, depth + 1)?))),
                _ => self.field(name, part, &mut all)?,
            }
        }
        Ok(match all.pop() {
            Some(only) if all.is_empty() => only,
            Some(last) => {
                all.push(last);
                Filter::And(all)
            }
            None => Filter::And(all),
        })
    }

    fn list(&mut self, name: &str, part: &Json, depth: usize) -> Result<Vec<Filter>> {
        let Some(parts) = part.as_list() else { return invalid(format!("\"{name}\" takes a list")) };
        parts.iter().map(|part| self.filter(object(name, part)?, depth + 1)).collect()
    }

    fn field(&mut self, name: &str, part: &Json, all: &mut Vec<Filter>) -> Result<()> {
        let field = field_ref(self.entity, name)?;
        let Some(operators) = part.as_object() else {
            self.count(1)?;
            all.push(Filter::In(field, vec![self.value(field, name, part)?]));
            return Ok(());
        };
        if operators.is_empty() {
            return invalid(format!("\"{name}\" has no condition"));
        }
        for (operator, operand) in operators {
            self.count(1)?;
            all.push(self.condition(field, name, operator, operand)?);
        }
        Ok(())
    }

    fn condition(&mut self, field: FieldRef, name: &str, operator: &str, operand: &Json) -> Result<Filter> {
        let compare = |comparison| match self.value(field, name, operand)? {
            Value::Null => invalid(format!("\"{name}\": nothing is {operator} null")),
            value => Ok(Filter::Compare(field, comparison, value)),
        };
        match operator {
            "eq" => Ok(Filter::In(field, vec![self.value(field, name, operand)?])),
            "ne" => Ok(Filter::Not(Box::new(Filter::In(field, vec![self.value(field, name, operand)?])))),
            "lt" => compare(Comparison::Less),
            "lte" => compare(Comparison::AtMost),
            "gt" => compare(Comparison::Greater),
            "gte" => compare(Comparison::AtLeast),
            "in" => self.one_of(field, name, operand),
            "isNull" => {
                let is_null = Filter::In(field, vec![Value::Null]);
                match operand.as_bool() {
                    Some(true) => Ok(is_null),
                    Some(false) => Ok(Filter::Not(Box::new(is_null))),
                    None => invalid(format!("\"{name}\": isNull takes true or false")),
                }
            }
            "startsWith" => match self.value(field, name, operand)? {
                Value::Text(prefix) => Ok(Filter::StartsWith(field, prefix)),
                _ => invalid(format!("\"{name}\": startsWith takes text, of a field with text")),
            },
            _ => invalid(format!(
                "\"{name}\" has no condition \"{operator}\"; there are eq, ne, lt, lte, gt, gte, in, isNull, startsWith"
            )),
        }
    }

    fn one_of(&mut self, field: FieldRef, name: &str, operand: &Json) -> Result<Filter> {
        let Some(values) = operand.as_list() else { return invalid(format!("\"{name}\": in takes a list")) };
        self.count(values.len())?;
        let values = values.iter().map(|value| self.value(field, name, value)).collect::<Result<Vec<Value>>>()?;
        Ok(Filter::In(field, values))
    }

    fn value(&self, field: FieldRef, name: &str, json: &Json) -> Result<Value> {
        let text = FieldType::Text { max: None };
        let kind = match field {
            FieldRef::Id => &text,
            FieldRef::Place(place) => match self.entity.fields.get(place).map(|field| &field.kind) {
                // A text over the limit is in no row, and it may be asked for.
                None | Some(FieldType::Text { .. }) => &text,
                Some(kind) => kind,
            },
        };
        kind.value(json)
            .map_err(|error| Error::new(error.code(), format!("{}.{name} {}", self.entity.name, error.detail())))
    }

    fn count(&mut self, terms: usize) -> Result<()> {
        self.terms += terms;
        if self.terms > TERMS_MAX {
            return invalid(format!("where has over {TERMS_MAX} conditions and values"));
        }
        Ok(())
    }
}

fn order_by(entity: &Entity, json: &Json, orders: &mut Vec<Order>) -> Result<()> {
    if let Some(list) = json.as_list() {
        return list.iter().try_for_each(|part| order_by(entity, part, orders));
    }
    for (name, direction) in object("orderBy", json)? {
        let descending = match direction.as_str() {
            Some("asc") => false,
            Some("desc") => true,
            _ => return invalid(format!("orderBy \"{name}\" takes \"asc\" or \"desc\"")),
        };
        let field = field_ref(entity, name)?;
        // A field counts where it stands first: later it cannot tell apart what was equal in it. Behind the id nothing is equal.
        if !orders.iter().any(|order| order.field == field || order.field == FieldRef::Id) {
            orders.push(Order { field, descending });
        }
    }
    Ok(())
}

fn field_ref(entity: &Entity, name: &str) -> Result<FieldRef> {
    if name == "id" {
        return Ok(FieldRef::Id);
    }
    let place = entity.fields.iter().position(|field| field.name == name);
    place
        .map(FieldRef::Place)
        .ok_or_else(|| Error::new(Code::UnknownField, format!("{} has no field \"{name}\"", entity.name)))
}

fn object<'a>(what: &str, json: &'a Json) -> Result<&'a Fields> {
    json.as_object().ok_or_else(|| Error::new(Code::QueryInvalid, format!("\"{what}\" takes an object")))
}

fn count(what: &str, json: &Json) -> Result<u64> {
    json.as_u64().ok_or_else(|| Error::new(Code::QueryInvalid, format!("\"{what}\" takes a whole number from 0")))
}

fn invalid<T>(detail: String) -> Result<T> {
    Err(Error::new(Code::QueryInvalid, detail))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Given, json};

    use super::*;
    use crate::model::{Field, Policy};

    fn schema() -> Schema {
        let field = |name: &str, kind| Field { name: name.to_owned(), kind, optional: true, index: false };
        let fields = vec![
            field("title", FieldType::Text { max: Some(3) }),
            field("due", FieldType::Timestamp),
            field("done", FieldType::Boolean),
        ];
        let entity = Entity { name: "order".to_owned(), policy: Policy::default(), fields };
        Schema { version: 1, entities: vec![entity], units: Vec::new() }
    }

    fn parse(given: &Given) -> Result<Query> {
        let json: Json = serde_json::from_value(given.clone()).unwrap();
        Query::parse("order", &json, &schema())
    }

    #[test]
    fn a_query_says_what_it_asks_for() {
        let query = parse(&json!({
            "where": { "title": "abcdef", "due": { "gte": 5, "lt": 9 }, "or": [{ "done": true }, { "id": { "in": ["1"] } }] },
            "orderBy": [{ "due": "desc" }, { "title": "asc" }, { "due": "asc" }],
            "limit": 50,
        }))
        .unwrap();
        let place = FieldRef::Place;
        let text = |text: &str| Value::Text(text.to_owned());
        let either = vec![Filter::In(place(2), vec![Value::Boolean(true)]), Filter::In(FieldRef::Id, vec![text("1")])];
        let parts = vec![
            Filter::Compare(place(1), Comparison::AtLeast, Value::Integer(5)),
            Filter::Compare(place(1), Comparison::Less, Value::Integer(9)),
            Filter::Or(either),
            Filter::In(place(0), vec![text("abcdef")]),
        ];
        assert_eq!(query.filter, Filter::And(parts));
        let order = |field, descending| Order { field, descending };
        assert_eq!(query.order, [order(place(1), true), order(place(0), false)]);
        assert_eq!((query.limit, query.offset), (50, 0));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let cases = [
            (json!([]), "query/invalid: \"the query\" takes an object"),
            (json!({"were": {}}), "query/invalid: a query has no \"were\"; it has where, orderBy, limit and offset"),
            (json!({"where": {"nope": 1}}), "schema/unknown-field: order has no field \"nope\""),
            (json!({"where": {"due": "x"}}), "value/type: order.due takes a time in milliseconds, not text"),
            (json!({"where": {"id": 5}}), "value/type: order.id takes text, not such a number"),
            (json!({"where": {"due": {}}}), "query/invalid: \"due\" has no condition"),
            (json!({"where": {"due": {"lt": null}}}), "query/invalid: \"due\": nothing is lt null"),
            (
                json!({"where": {"due": {"startsWith": 5}}}),
                "query/invalid: \"due\": startsWith takes text, of a field with text",
            ),
            (json!({"where": {"or": {}}}), "query/invalid: \"or\" takes a list"),
            (json!({"orderBy": {"due": "up"}}), "query/invalid: orderBy \"due\" takes \"asc\" or \"desc\""),
            (json!({"orderBy": "due"}), "query/invalid: \"orderBy\" takes an object"),
            (json!({"limit": -1}), "query/invalid: \"limit\" takes a whole number from 0"),
            (json!({"offset": 1.5}), "query/invalid: \"offset\" takes a whole number from 0"),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(&given).unwrap_err().to_string(), expected);
        }
        assert_eq!(Query::parse("nope", &Json::default(), &schema()).unwrap_err().code(), Code::UnknownEntity);
        let deep = (0..40).fold(json!({}), |inner, _| json!({ "not": inner }));
        assert_eq!(parse(&json!({ "where": deep })).unwrap_err().code(), Code::QueryInvalid);
        let many: Vec<u32> = (0..5_000).collect();
        assert_eq!(parse(&json!({"where": {"due": {"in": many}}})).unwrap_err().code(), Code::QueryInvalid);
    }

    #[test]
    fn null_is_a_value() {
        let holds = |condition: Given, value: ValueRef<'static>| {
            parse(&json!({ "where": { "due": condition } })).unwrap().filter.holds(&|_| value)
        };
        assert!(holds(json!(null), ValueRef::Null));
        assert!(holds(json!({"isNull": true}), ValueRef::Null));
        assert!(holds(json!({"ne": 5}), ValueRef::Null));
        assert!(!holds(json!({"lt": 5}), ValueRef::Null));
        assert!(!holds(json!({"isNull": false}), ValueRef::Null));
        assert!(holds(json!({"in": [1, null]}), ValueRef::Null));
        assert!(holds(json!({"lte": 5}), ValueRef::Integer(5)));
    }
}
