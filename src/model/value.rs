//! One value of one field.

use whimbrel_protocol::Json;

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

/// A value somewhere in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A finite number.
    Real(f64),
    /// Text in UTF-8.
    Text(&'a [u8]),
    /// Text that is a UUID in its canonical form, as rows keep it.
    Uuid([u8; 16]),
}

/// Room for the text of a UUID.
pub type UuidText = [u8; 36];

impl Value {
    /// The value without its text.
    #[must_use]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(value) => ValueRef::Boolean(*value),
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }
    }

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
    /// Its text, if it is text; that of a UUID is written into `room`.
    #[must_use]
    pub fn text<'t>(&'t self, room: &'t mut UuidText) -> Option<&'t [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Uuid(bytes) => Some(uuid::Uuid::from_bytes(*bytes).hyphenated().encode_lower(room).as_bytes()),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Real(_) => None,
        }
    }

    /// The value with its own text.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Real(value) => Value::Real(value),
            Self::Text(_) | Self::Uuid(_) => {
                let mut room = [0; 36];
                Value::Text(String::from_utf8_lossy(self.text(&mut room).unwrap_or_default()).into_owned())
            }
        }
    }

    /// Appends the value as JSON.
    pub(super) fn write_json(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Integer(number) => put_integer(number, out),
            Self::Real(number) => put_real(number, out),
            Self::Text(_) | Self::Uuid(_) => put_text(self.text(&mut [0; 36]).unwrap_or_default(), out),
        }
    }
}
