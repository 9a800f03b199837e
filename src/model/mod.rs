//! What an app's data is: schema, values, ids. Nothing here knows of storage, network or the browser.

mod schema;
mod value;

pub use schema::{
    ENTITIES_MAX, Entity, FIELDS_ADVISED, FIELDS_MAX, Field, FieldType, NAME_BYTES_MAX, Policy, Schema, Unit,
};
pub use value::Value;
