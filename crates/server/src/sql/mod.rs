//! What the two SQL back ends share: text of statements, numbers, what a page and a decision look like there, and what errors mean.
//!
//! **Invariant:** names in SQL come from the configuration and were checked; values are always bound, or quoted here.

mod attach;
mod fault;
mod format;
mod page;

use whimbrel_protocol::{Outcome, Version};

use crate::model::{Entity, ScopeTemplate};
use crate::storage::{Decided, SCOPES_MAX, StorageError, StorageResult};

pub use self::attach::AttachError;
pub(crate) use self::format::{FORMAT, Step, steps_from};
pub(crate) use self::page::Filling;

/// A version as SQL keeps it. Versions stay below 2⁵³, so nothing is ever cut off.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A version or count as SQL gave it.
pub(crate) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A text for between single quotes.
pub(crate) fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

/// A query with one column `scope`: the scopes of a row, of which `column` says the text that a field has. A row in none is under the empty scope.
pub(crate) fn scopes_sql(entity: &Entity, column: &dyn Fn(usize) -> String) -> String {
    let mut parts = Vec::with_capacity(entity.scopes.len() + 1);
    let mut nowhere = Vec::new();
    for template in &entity.scopes {
        match template {
            ScopeTemplate::Everyone(scope) => {
                parts.push(format!("SELECT '{}' AS scope", quoted(scope)));
                nowhere.push("false".to_owned());
            }
            ScopeTemplate::ByField { prefix, field } => {
                let column = column(*field);
                parts.push(format!("SELECT '{}' || {column} AS scope WHERE {column} IS NOT NULL", quoted(prefix)));
                nowhere.push(format!("{column} IS NULL"));
            }
        }
    }
    parts.push(format!("SELECT '' AS scope WHERE {}", nowhere.join(" AND ")));
    parts.join(" UNION ")
}

/// What is remembered of a decision: the outcome's text, and the version it gave a record.
pub(crate) fn outcome_to_sql(decided: &Decided) -> StorageResult<(String, Option<Version>)> {
    let outcome = serde_json::to_string(&decided.outcome).map_err(|error| StorageError::Failed(error.into()))?;
    let version = match decided.outcome {
        Outcome::Accepted { version } => Some(version),
        _ => None,
    };
    Ok((outcome, version))
}

/// An outcome as it was remembered.
pub(crate) fn outcome_from_sql(text: &str) -> StorageResult<Outcome> {
    serde_json::from_str(text).map_err(|error| StorageError::Failed(error.into()))
}

/// Adds what a row of the query for a user's scopes says.
pub(crate) fn add_scope(scopes: &mut Vec<String>, scope: Option<String>) -> StorageResult<()> {
    let Some(scope) = scope.filter(|scope| !scope.is_empty()) else { return Ok(()) };
    if scopes.len() == SCOPES_MAX {
        return Err(StorageError::Failed(format!("a user has more than {SCOPES_MAX} scopes").into()));
    }
    scopes.push(scope);
    Ok(())
}

/// A name that was not checked, between double quotes.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
