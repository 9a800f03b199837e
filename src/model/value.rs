//! One value of one field.

use serde_json::{Number, Value as Json};

/// A value. A timestamp is an [`Value::Integer`] (milliseconds since 1970), a ref is a [`Value::Text`] (the other record's id).
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number within ±(2⁵³ − 1).
    Integer(i64),
    /// A finite number.
    Real(f64),
    /// Text.
    Text(String),
}

impl Value {
    /// The value as plain JSON.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::Bool(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Real(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Self::Text(value) => Json::String(value.clone()),
        }
    }
}
