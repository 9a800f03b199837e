//! Values on their way into and out of SQLite.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Row as _, ValueRef as _};

use crate::model::{Entity, FieldType, Row, Value};

/// A query with owned arguments.
pub(super) type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds a value as the next argument.
pub(super) fn bind<'q>(query: SqliteQuery<'q>, value: &Value) -> SqliteQuery<'q> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Boolean(value) => query.bind(*value),
        Value::Integer(value) => query.bind(*value),
        Value::Real(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
    }
}

/// Reads the entity's columns, which begin at column `first` of the result.
pub(super) fn read(entity: &Entity, result: &SqliteRow, first: usize) -> sqlx::Result<Row> {
    entity.fields.iter().enumerate().map(|(position, field)| column(result, first + position, &field.kind)).collect()
}

/// Tables that were there before may have columns of any type: `get_unchecked` lets SQLite convert.
fn column(result: &SqliteRow, index: usize, kind: &FieldType) -> sqlx::Result<Value> {
    if result.try_get_raw(index)?.is_null() {
        return Ok(Value::Null);
    }
    Ok(match kind {
        FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment => {
            Value::Text(result.try_get_unchecked(index)?)
        }
        FieldType::Integer | FieldType::Timestamp => Value::Integer(result.try_get_unchecked(index)?),
        FieldType::Real => Value::Real(result.try_get_unchecked(index)?),
        FieldType::Boolean => Value::Boolean(result.try_get_unchecked(index)?),
    })
}
