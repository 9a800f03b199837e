//! Whether what an app writes fits its schema. The one place where JSON becomes [`Value`]s on the way in.

use whimbrel_protocol::{Fields, Json, Number};

use super::{Entity, Field, FieldType, Value};
use crate::error::{Code, Error, Result};

/// The fields of a new record: every one known, of its type, and none missing that is required.
///
/// # Errors
/// `schema/unknown-field`, `value/type`, `value/too-long`, `value/not-one-of`, `value/required`.
pub fn new_record(entity: &Entity, given: &Fields) -> Result<Vec<Value>> {
    known(entity, given)?;
    let of_field = |field: &Field| match (given.get(&field.name), &field.default) {
        (None, Some(default)) => Ok(default.clone()),
        (json, _) => value(entity, field, json.unwrap_or(&Json::Null)),
    };
    entity.fields.iter().map(of_field).collect()
}

/// The fields of a change, by their place in the entity.
///
/// # Errors
/// As [`new_record`].
pub fn changed_fields(entity: &Entity, given: &Fields) -> Result<Vec<(usize, Value)>> {
    known(entity, given)?;
    let fields = entity.fields.iter().enumerate();
    let present = fields.filter_map(|(place, field)| Some((place, field, given.get(&field.name)?)));
    present.map(|(place, field, json)| Ok((place, value(entity, field, json)?))).collect()
}

fn known(entity: &Entity, given: &Fields) -> Result<()> {
    match given.iter().find(|(name, _)| !entity.fields.iter().any(|field| field.name == *name)) {
        Some((name, _)) => Err(Error::new(Code::UnknownField, format!("{} has no field \"{name}\"", entity.name))),
        None => Ok(()),
    }
}

fn value(entity: &Entity, field: &Field, json: &Json) -> Result<Value> {
    if json.is_null() && !field.optional {
        return Err(Error::new(Code::ValueRequired, format!("{}.{} has no value", entity.name, field.name)));
    }
    field.kind.value(json).and_then(|value| field.kind.check(value)).map_err(|error| {
        let detail = format!("{}.{} {}", entity.name, field.name, error.detail());
        Error::new(error.code(), detail)
    })
}

impl FieldType {
    /// A JSON value as a value of this type; `null` is a value of every type.
    ///
    /// # Errors
    /// `value/type`; the text reads on from the field's name.
    pub fn value(&self, json: &Json) -> Result<Value> {
        if json.is_null() {
            return Ok(Value::Null);
        }
        let value = match self {
            Self::Text { .. } | Self::Ref { .. } => json.as_str().map(|text| Value::Text(text.to_owned())),
            Self::Integer | Self::Timestamp => json.as_number().and_then(Number::integer).map(Value::Integer),
            Self::Real => json.as_number().map(|number| Value::Real(number.real())),
            Self::Boolean => json.as_bool().map(Value::Boolean),
        };
        value.ok_or_else(|| {
            Error::new(Code::ValueType, format!("takes {}, not {}", self.describe(), describe_json(json)))
        })
    }

    /// Whether a new value may be written; what waits already was written under its own schema.
    ///
    /// # Errors
    /// `value/too-long`, `value/not-one-of`; the text reads on from the field's name.
    pub fn check(&self, value: Value) -> Result<Value> {
        let (Self::Text { max, one_of }, Value::Text(text)) = (self, &value) else { return Ok(value) };
        if let Some(max) = max
            && text.chars().nth(*max as usize).is_some()
        {
            return Err(Error::new(Code::ValueTooLong, format!("takes {max} characters at most")));
        }
        if !one_of.is_empty() && !one_of.contains(text) {
            return Err(Error::new(Code::ValueNotOneOf, format!("takes one of {}", one_of.join(", "))));
        }
        Ok(value)
    }

    /// The type in words, with its article.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Integer => "a whole number",
            Self::Real => "a number",
            Self::Boolean => "true or false",
            Self::Timestamp => "a time in milliseconds",
            Self::Ref { .. } => "an id",
        }
    }
}

const fn describe_json(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Boolean(_) => "a boolean",
        Json::Number(_) => "such a number",
        Json::Text(_) => "text",
        Json::List(_) => "an array",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Given, json};

    use super::*;
    use crate::model::Policy;

    fn order() -> Entity {
        let field = |name: &str, kind, optional| Field {
            name: name.to_owned(),
            kind,
            optional,
            index: false,
            ..Field::default()
        };
        Entity {
            name: "order".to_owned(),
            policy: Policy::LastWriteWins,
            fields: vec![
                field("title", FieldType::text(Some(3)), false),
                field("count", FieldType::Integer, true),
                field("weight", FieldType::Real, true),
                Field { default: Some(Value::Integer(1)), ..field("rank", FieldType::Integer, false) },
            ],
            ..Entity::default()
        }
    }

    fn fields(given: Given) -> Fields {
        serde_json::from_value(given).unwrap()
    }

    fn refused(given: Given) -> String {
        let error = new_record(&order(), &fields(given)).unwrap_err();
        error.to_string()
    }

    #[test]
    fn each_mistake_has_its_code_and_names_the_field() {
        let cases = [
            (json!({"title": "a", "nope": 1}), "schema/unknown-field: order has no field \"nope\""),
            (json!({}), "value/required: order.title has no value"),
            (json!({"title": null}), "value/required: order.title has no value"),
            (json!({"title": 5}), "value/type: order.title takes text, not such a number"),
            (json!({"title": "äöüß"}), "value/too-long: order.title takes 3 characters at most"),
            (json!({"title": "a", "count": 1.5}), "value/type: order.count takes a whole number, not such a number"),
            (
                json!({"title": "a", "count": 9_007_199_254_740_992_i64}),
                "value/type: order.count takes a whole number, not such a number",
            ),
            (json!({"title": "a", "weight": []}), "value/type: order.weight takes a number, not an array"),
        ];
        for (given, expected) in cases {
            assert_eq!(refused(given), expected);
        }
    }

    #[test]
    fn values_take_their_fields_type() {
        let given = json!({"title": "äöü", "count": 3.0, "weight": 3});
        let values = new_record(&order(), &fields(given)).unwrap();
        assert_eq!(values, [Value::Text("äöü".to_owned()), Value::Integer(3), Value::Real(3.0), Value::Integer(1)]);
        assert_eq!(refused(json!({"title": "a", "rank": null})), "value/required: order.rank has no value");
        let changed = changed_fields(&order(), &fields(json!({"count": null}))).unwrap();
        assert_eq!(changed, [(1, Value::Null)]);
    }
}
