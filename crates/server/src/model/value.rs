//! One value of one field, and its way from and to JSON.

use whimbrel_protocol::{Json, Number, is_attachment_address};

use super::{FieldType, is_id};

/// The largest whole number that travels (2⁵³ − 1), so that JavaScript holds it exactly.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A value. A timestamp is an [`Value::Integer`] (milliseconds since 1970), a ref is a [`Value::Text`].
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(String),
}

/// Why a JSON value is not one of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It is of another type.
    #[error("must be {expected}")]
    Type {
        /// What the field takes.
        expected: &'static str,
    },
    /// It is a text over the field's limit.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The limit in characters.
        max: u32,
    },
}

impl Value {
    /// Reads a value of a field from JSON. `null` is a value of every field; whether it is required is said elsewhere.
    ///
    /// # Errors
    /// [`ValueError`], when it is of another type or over a limit.
    pub fn from_json(json: &Json, kind: &FieldType) -> Result<Self, ValueError> {
        if json.is_null() {
            return Ok(Self::Null);
        }
        let value = match kind {
            FieldType::Boolean => json.as_bool().map(Self::Boolean),
            FieldType::Integer | FieldType::Timestamp => json.as_number().and_then(Number::integer).map(Self::Integer),
            FieldType::Real => json.as_number().map(|number| Self::Real(number.real())),
            FieldType::Text { .. } => json.as_str().map(|text| Self::Text(text.to_owned())),
            FieldType::Ref { .. } => json.as_str().filter(|id| is_id(id)).map(|id| Self::Text(id.to_owned())),
            FieldType::Attachment => {
                json.as_str().filter(|text| is_attachment_address(text)).map(|text| Self::Text(text.to_owned()))
            }
        };
        let value = value.ok_or(ValueError::Type { expected: kind.expected() })?;
        match (&value, kind.max()) {
            (Self::Text(text), Some(max)) if text.chars().count() > max as usize => Err(ValueError::TooLong { max }),
            _ => Ok(value),
        }
    }

    /// The value as plain JSON. A number that JSON cannot say becomes `null`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::Boolean(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Real(value) => Json::from(*value),
            Self::Text(value) => Json::Text(value.clone()),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// About how many bytes it takes on the wire.
    pub(crate) const fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 2,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Given, json};

    fn check(kind: &FieldType, given: Given, expected: Result<Value, &str>) {
        let json: Json = serde_json::from_value(given.clone()).unwrap();
        let found = Value::from_json(&json, kind).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{given} as {kind:?}");
    }

    #[test]
    fn values_of_every_type() {
        let text = FieldType::Text { max: Some(3) };
        check(&text, json!("añb"), Ok(Value::Text("añb".into())));
        check(&text, json!("añbc"), Err("must have at most 3 characters"));
        check(&text, json!(3), Err("must be text"));
        check(&FieldType::Ref { entity: "e".into() }, json!("id"), Ok(Value::Text("id".into())));
        check(&FieldType::Ref { entity: "e".into() }, json!({}), Err("must be the id of a record (text)"));
        let address = format!("sha256-{}", "0a".repeat(32));
        check(&FieldType::Attachment, json!(address), Ok(Value::Text(address.clone())));
        let expected = "must be the address of an attachment: sha256- and 64 hexadecimal digits";
        check(&FieldType::Attachment, json!("photo.jpg"), Err(expected));
        check(&FieldType::Boolean, json!(true), Ok(Value::Boolean(true)));
        check(&FieldType::Boolean, json!(1), Err("must be true or false"));
        check(&FieldType::Real, json!(2), Ok(Value::Real(2.0)));
        check(&FieldType::Real, json!("2"), Err("must be a number"));
        check(&FieldType::Integer, json!(null), Ok(Value::Null));
    }

    #[test]
    fn whole_numbers_stay_within_what_javascript_holds() {
        let expected = "must be a whole number within ±(2^53 - 1)";
        check(&FieldType::Integer, json!(5), Ok(Value::Integer(5)));
        check(&FieldType::Integer, json!(5.0), Ok(Value::Integer(5)));
        check(&FieldType::Integer, json!(INTEGER_MAX), Ok(Value::Integer(INTEGER_MAX)));
        check(&FieldType::Integer, json!(-INTEGER_MAX), Ok(Value::Integer(-INTEGER_MAX)));
        for bad in [json!(INTEGER_MAX + 1), json!(i64::MIN), json!(u64::MAX), json!(1e300), json!(5.5)] {
            check(&FieldType::Integer, bad, Err(expected));
        }
        check(&FieldType::Timestamp, json!("2026-01-01"), Err("must be milliseconds since 1970, a whole number"));
    }

    #[test]
    fn values_go_back_to_json() {
        assert_eq!(Value::Real(f64::INFINITY).to_json(), Json::Null);
        assert_eq!(json!(Value::Real(2.0).to_json()).to_string(), "2.0");
        assert_eq!(Value::Boolean(false).to_json(), Json::Boolean(false));
    }
}
