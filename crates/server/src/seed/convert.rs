//! From an object of the file to a row: by the names of the fields, text to numbers where the field is one.

use uuid::Uuid;
use whimbrel_protocol::{Fields, Json};

use crate::config::Seed;
use crate::model::{Entity, FieldType, Row, Value, ValueError};

/// Ids of seeded rows are made in this name space (UUID v5).
const NAMESPACE: Uuid = Uuid::from_u128(0x3c1f_2e0a_7f55_4d0c_9a63_5b1d_8e2f_4c71);
/// Between the parts of an id's name, so that no two lists of parts look the same.
const SEPARATOR: char = '\u{1f}';

/// An object does not fit the entity.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A value does.
    #[error("{field}: {cause}")]
    Value {
        /// Which.
        field: String,
        /// Why.
        cause: ValueError,
    },
    /// A required field has none.
    #[error("{0}: must have a value")]
    Required(String),
    /// A key that the id is made of is missing.
    #[error("{0}: is missing, but the id is made of it")]
    Id(String),
}

pub(super) fn to_row(seed: &Seed, entity: &Entity, object: &Fields) -> Result<(String, Row), Misfit> {
    let mut row = Row::with_capacity(entity.fields.len());
    for field in &entity.fields {
        let json = object.get(&field.name).unwrap_or(&Json::Null);
        let value = match (json, &field.kind) {
            (Json::Text(text), FieldType::Real | FieldType::Integer | FieldType::Timestamp) => {
                let number: Json = serde_json::from_str(text.trim()).unwrap_or(Json::Boolean(false));
                Value::from_json(&number, &field.kind)
            }
            _ => Value::from_json(json, &field.kind),
        };
        let value = value.map_err(|cause| Misfit::Value { field: field.name.clone(), cause })?;
        if value.is_null() && field.required {
            return Err(Misfit::Required(field.name.clone()));
        }
        row.push(value);
    }
    Ok((to_id(seed, object)?, row))
}

fn to_id(seed: &Seed, object: &Fields) -> Result<String, Misfit> {
    let mut name = seed.entity.clone();
    for key in &seed.id_from {
        name.push(SEPARATOR);
        match object.get(key) {
            None => return Err(Misfit::Id(key.clone())),
            Some(Json::Text(text)) => name += text,
            Some(other) => name += &serde_json::to_string(other).unwrap_or_default(),
        }
    }
    Ok(Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
}
