//! From what an app wrote to a query: every name known, every value of its field's type, all within limits.

use whimbrel_protocol::{Fields, Json};

use super::include::{self, Nesting};
use super::{After, Comparison, FieldRef, Filter, Order, Query};
use crate::error::{Code, Error, Result};
use crate::model::{Entity, FieldType, Schema, Value, key};

/// Parts of a filter inside each other, at most.
const DEPTH_MAX: usize = 32;
/// Values of an `in`, and parts of a filter, at most.
const TERMS_MAX: usize = 4_096;

impl Query {
    /// A field by its name.
    ///
    /// # Errors
    /// `schema/unknown-entity`, `schema/unknown-field`.
    pub fn field(entity: &str, name: &str, schema: &Schema) -> Result<FieldRef> {
        field_ref(schema.entity(entity)?, name)
    }

    /// The place of a field with numbers.
    ///
    /// # Errors
    /// `schema/unknown-entity`, `schema/unknown-field`; `query/invalid` when it has none.
    pub fn number_field(entity: &str, name: &str, schema: &Schema) -> Result<usize> {
        let entity = schema.entity(entity)?;
        let field = field_ref(entity, name)?;
        let kind = |place: usize| entity.fields.get(place).map(|field| &field.kind);
        match field {
            FieldRef::Place(place) if matches!(kind(place), Some(FieldType::Integer | FieldType::Real)) => Ok(place),
            _ => invalid(format!("{}.{name} has no numbers to add", entity.name)),
        }
    }

    /// Reads what an app wrote.
    ///
    /// # Errors
    /// `schema/unknown-entity`, `schema/unknown-field`, `value/type`, `query/invalid`.
    pub fn parse(entity: &str, json: &Json, schema: &Schema) -> Result<Self> {
        Self::parse_parts(schema.entity(entity)?, object("the query", json)?, schema, &mut Nesting::default())
    }

    pub(super) fn parse_parts(entity: &Entity, parts: &Fields, schema: &Schema, nesting: &mut Nesting) -> Result<Self> {
        let mut query = Self::all(&entity.name);
        let mut parser = Parser { entity, terms: 0 };
        let mut last = None;
        for (name, part) in parts {
            match name.as_str() {
                "where" => query.filter = parser.filter(object("where", part)?, 0)?,
                "orderBy" => order_by(entity, part, &mut query.order)?,
                "limit" => query.limit = count("limit", part)?,
                "offset" => query.offset = count("offset", part)?,
                "include" => query.include = include::parse(entity, part, schema, nesting)?,
                "after" => last = Some(object("after", part)?),
                _ => {
                    return invalid(format!(
                        "a query has no \"{name}\"; it has where, orderBy, limit, offset, after and include"
                    ));
                }
            }
        }
        // The order says what of it counts.
        query.after = last.map(|last| parser.after(last, &query.order)).transpose()?;
        if query.after.is_some() && query.offset > 0 {
            return invalid("a query begins at an offset or after a record, not both".to_owned());
        }
        Ok(query)
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
            "startsWith" | "contains" => match self.value(field, name, operand)? {
                Value::Text(prefix) if operator == "startsWith" => Ok(Filter::StartsWith(field, prefix)),
                Value::Text(part) => Ok(Filter::Contains(field, part)),
                _ => invalid(format!("\"{name}\": {operator} takes text, of a field with text")),
            },
            _ => invalid(format!(
                "\"{name}\" has no condition \"{operator}\"; there are eq, ne, lt, lte, gt, gte, in, isNull, startsWith, contains"
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
        let text = FieldType::text(None);
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

    fn after(&self, record: &Fields, order: &[Order]) -> Result<After> {
        let value = |field: FieldRef| {
            let name = match field {
                FieldRef::Id => "id",
                FieldRef::Place(place) => self.entity.fields.get(place).map_or("", |field| &field.name),
            };
            match record.get(name) {
                Some(json) => self.value(field, name, json),
                None => invalid(format!("\"after\" has no \"{name}\", which the order asks for")),
            }
        };
        let Value::Text(id) = value(FieldRef::Id)? else { return invalid("\"after\" has no id".to_owned()) };
        let values = order.iter().map(|step| value(step.field)).collect::<Result<Vec<Value>>>()?;
        Ok(After { values, id: key::id_key(&id) })
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

pub(super) fn field_ref(entity: &Entity, name: &str) -> Result<FieldRef> {
    if name == "id" {
        return Ok(FieldRef::Id);
    }
    let place = entity.fields.iter().position(|field| field.name == name);
    place
        .map(FieldRef::Place)
        .ok_or_else(|| Error::new(Code::UnknownField, format!("{} has no field \"{name}\"", entity.name)))
}

pub(super) fn object<'a>(what: &str, json: &'a Json) -> Result<&'a Fields> {
    json.as_object().ok_or_else(|| Error::new(Code::QueryInvalid, format!("\"{what}\" takes an object")))
}

fn count(what: &str, json: &Json) -> Result<u64> {
    json.as_u64().ok_or_else(|| Error::new(Code::QueryInvalid, format!("\"{what}\" takes a whole number from 0")))
}

pub(super) fn invalid<T>(detail: String) -> Result<T> {
    Err(Error::new(Code::QueryInvalid, detail))
}
