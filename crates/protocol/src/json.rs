//! JSON values as both sides hold them: small in the browser's build, where a `serde_json::Map` is a tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Json {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Fields),
}

/// A number: a real one when it is written as one, is `-0`, or has more digits than a whole one holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number from 0.
    Whole(u64),
    /// A whole number below 0.
    Negative(i64),
    /// A real number; it is finite.
    Real(f64),
}

/// The largest whole number that JavaScript holds exactly.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

impl Number {
    /// As a whole number within ±(2⁵³ − 1), also when JavaScript wrote it as `3.0` or `3e0`.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "checked: whole and within 2⁵³")]
    pub fn integer(self) -> Option<i64> {
        let real = self.real();
        (real.fract() == 0.0 && real.abs() <= INTEGER_MAX).then_some(real as i64)
    }

    /// As a real number, the nearest.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "the nearest is what is asked for")]
    pub const fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Negative(number) => number as f64,
            Self::Real(real) => real,
        }
    }
}

impl Json {
    /// Whether it is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean it is.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The number it is.
    #[must_use]
    pub const fn as_number(&self) -> Option<Number> {
        if let Self::Number(value) = self { Some(*value) } else { None }
    }

    /// The number it is, when that was written as a whole one from 0.
    #[must_use]
    pub const fn as_u64(&self) -> Option<u64> {
        if let Self::Number(Number::Whole(value)) = self { Some(*value) } else { None }
    }

    /// The text it is.
    #[must_use]
    pub const fn as_str(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value.as_str()) } else { None }
    }

    /// The array it is.
    #[must_use]
    pub const fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(value) = self { Some(value.as_slice()) } else { None }
    }

    /// The object it is.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Fields> {
        if let Self::Object(value) = self { Some(value) } else { None }
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Number(u64::try_from(number).map_or(Number::Negative(number), Number::Whole))
    }
}

/// A number that JSON cannot say becomes `null`.
impl From<f64> for Json {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(Number::Real(number)) } else { Self::Null }
    }
}

/// A record of fields as it travels: field name → plain JSON value, in the order of the names.
///
/// **Invariant:** no name is there twice; of values with the same name, the last one counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields(Vec<(String, Json)>);

impl Fields {
    /// Without any.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.place(name).ok().and_then(|place| self.0.get(place)).map(|(_, value)| value)
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.place(name).ok().map(|place| self.0.remove(place).1)
    }

    /// The fields, by name.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Json)> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Json)> for Fields {
    fn from_iter<T: IntoIterator<Item = (String, Json)>>(fields: T) -> Self {
        Self::from(fields.into_iter().collect::<Vec<_>>())
    }
}

impl From<Vec<(String, Json)>> for Fields {
    fn from(mut fields: Vec<(String, Json)>) -> Self {
        // Stable, so that values of one name stay in their order.
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        fields.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                std::mem::swap(later, kept);
            }
            is_same
        });
        Self(fields)
    }
}

impl IntoIterator for Fields {
    type Item = (String, Json);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a (String, Json);
    type IntoIter = std::slice::Iter<'a, (String, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Number(Number::Whole(value)) => serializer.serialize_u64(*value),
            Self::Number(Number::Negative(value)) => serializer.serialize_i64(*value),
            Self::Number(Number::Real(value)) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(fields) => fields.serialize(serializer),
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyFields)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::Whole(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Json, A::Error> {
        AnyFields.visit_map(map).map(Json::Object)
    }
}

struct AnyFields;

impl<'de> Visitor<'de> for AnyFields {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields::from(fields))
    }
}
