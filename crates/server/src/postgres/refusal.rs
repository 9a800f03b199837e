//! Which errors of PostgreSQL are refusals of one change, and of which fields.

use sqlx::postgres::PgDatabaseError;

use super::shape::Shape;
use crate::model::Entity;
use crate::storage::{Constraint, Written};

/// Of integrity constraint violations: a referenced row, and one that must not go.
const FOREIGN_KEY: [&str; 2] = ["23503", "23001"];
/// Unique values, and exclusion constraints.
const UNIQUE: [&str; 2] = ["23505", "23P01"];
/// Classes and codes that the data is to blame for: values that a type does not take, conditions, exceptions that triggers of the app raise.
const DATA: [&str; 4] = ["22", "23", "44", "P0001"];

/// The refusal that an error is; none when it is something else. `written` are the fields that were.
pub(super) fn refused(entity: &Entity, shape: &Shape, written: &[usize], error: &sqlx::Error) -> Option<Written> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    let code = error.code();
    let constraint = if FOREIGN_KEY.contains(&code) {
        Constraint::ForeignKey
    } else if UNIQUE.contains(&code) {
        Constraint::Unique
    } else if DATA.iter().any(|class| code.starts_with(class)) {
        Constraint::Check
    } else {
        return None;
    };
    Some(Written::Refused { constraint, fields: fields(entity, shape, written, error) })
}

fn fields(entity: &Entity, shape: &Shape, written: &[usize], error: &PgDatabaseError) -> Vec<usize> {
    let is_own = error.table().is_none_or(|table| table == entity.table);
    if let Some(column) = error.column().filter(|_| is_own) {
        return entity.position_of_column(column).into_iter().collect();
    }
    if let Some(name) = error.constraint() {
        let own = shape.constraints.iter().find(|(own, _)| is_own && own == name);
        return own.map(|(_, fields)| fields.clone()).unwrap_or_default();
    }
    // A value that a type does not take: PostgreSQL does not say which, but one that is alone it must be.
    if written.len() == 1 { written.to_vec() } else { Vec::new() }
}
