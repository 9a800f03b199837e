//! Values on their way into and out of PostgreSQL.

use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;

use crate::model::{Entity, Field, FieldType, Row, Value};

/// A query with owned arguments.
pub(super) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// Binds a field's value as the next argument; what is null has its type all the same.
pub(super) fn bind<'q>(query: PgQuery<'q>, field: &Field, value: &Value) -> PgQuery<'q> {
    match (value, &field.kind) {
        (Value::Boolean(value), _) => query.bind(*value),
        (Value::Integer(value), _) => query.bind(*value),
        (Value::Real(value), _) => query.bind(*value),
        (Value::Text(value), _) => query.bind(value.clone()),
        (Value::Null, FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment) => {
            query.bind(None::<String>)
        }
        (Value::Null, FieldType::Integer | FieldType::Timestamp) => query.bind(None::<i64>),
        (Value::Null, FieldType::Real) => query.bind(None::<f64>),
        (Value::Null, FieldType::Boolean) => query.bind(None::<bool>),
    }
}

/// Reads the entity's columns, which begin at column `first` of the result.
pub(super) fn read(entity: &Entity, result: &PgRow, first: usize) -> sqlx::Result<Row> {
    entity.fields.iter().zip(first..).map(|(field, index)| column(result, index, &field.kind)).collect()
}

fn column(result: &PgRow, index: usize, kind: &FieldType) -> sqlx::Result<Value> {
    Ok(match kind {
        FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment => {
            result.try_get::<Option<String>, _>(index)?.map(Value::Text)
        }
        FieldType::Integer | FieldType::Timestamp => result.try_get::<Option<i64>, _>(index)?.map(Value::Integer),
        FieldType::Real => result.try_get::<Option<f64>, _>(index)?.map(Value::Real),
        FieldType::Boolean => result.try_get::<Option<bool>, _>(index)?.map(Value::Boolean),
    }
    .unwrap_or_default())
}

/// A text as far as PostgreSQL can hold it: up to the first zero byte. For texts to look for; none of ours has one.
pub(super) fn plain(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}
