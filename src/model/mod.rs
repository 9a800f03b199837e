//! What an app's data is: schema, values, ids, rows, keys, queries. Nothing here knows of storage, network or the browser.

mod catalog;
mod evolve;
mod id;
pub mod key;
mod pair;
mod query;
mod row;
mod schema;
mod steps;
mod table;
mod unit;
mod validate;
mod value;
pub(crate) mod varint;

pub(crate) use catalog::Kind;
pub use catalog::{Adopted, Catalog, FIRST_ENTITY_MAP, NewIndex};
pub(crate) use evolve::{Draft, Filled};
pub(crate) use id::is_id;
pub use id::{check_id, uuid_v7};
pub use query::{
    After, Comparison, FieldRef, Filter, INCLUDE_DEPTH_MAX, INCLUDES_MAX, Include, LIMIT_DEFAULT, Link, Order, Query,
};
pub use row::{Row, RowRef, Values};
pub(crate) use row::{encode_header, encode_value, field};
pub use schema::{
    ENTITIES_MAX, Entity, FIELDS_ADVISED, FIELDS_MAX, Field, FieldType, INDEX_FIELDS_MAX, INDEXES_MAX, IndexSpec,
    NAME_BYTES_MAX, ONE_OF_MAX, OnDelete, Policy, Schema,
};
pub use steps::{Convert, Step, StepOp, Upcast};
pub(crate) use steps::{convert_all, converted_value};
pub use table::{Index, Table, Tables};
pub use unit::{Backoff, Carrier, Networks, RETRY_CAP_MS, Unit, UnitPolicy};
pub use validate::{changed_fields, new_record};
pub use value::{UuidText, Value, ValueRef};
