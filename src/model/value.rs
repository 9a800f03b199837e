//! One value of one field.

use whimbrel_protocol::Json;

use super::ValueRef;
use crate::json::{put_integer, put_real, put_text};

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
            Self::Boolean(value) => Json::Boolean(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Real(value) => Json::from(*value),
            Self::Text(value) => Json::Text(value.clone()),
        }
    }
}

impl ValueRef<'_> {
    /// Appends the value as JSON.
    pub(super) fn write_json(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Integer(number) => put_integer(number, out),
            Self::Real(number) => put_real(number, out),
            Self::Text(text) => put_text(text, out),
        }
    }
}
