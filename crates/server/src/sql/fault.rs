//! What an error of a database means: try again, or give up.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::storage::StorageError;

/// SQLite's primary result codes for "somebody else holds it".
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;

/// The same of PostgreSQL: serialization failure, deadlock, lock not available, too many connections, all of a server that stops or starts, and of a
/// database that is not there or takes no connections.
const POSTGRES_BUSY: [&str; 9] = ["40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03", "3D000", "55000"];

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        let busy = match &error {
            sqlx::Error::PoolTimedOut => true,
            // A database that is somewhere else is away for a moment.
            sqlx::Error::Io(_) => true,
            sqlx::Error::Database(cause) => is_busy(cause.as_ref()),
            _ => false,
        };
        if busy { Self::Busy(error.into()) } else { Self::Failed(error.into()) }
    }
}

fn is_busy(cause: &dyn DatabaseError) -> bool {
    if let Some(cause) = cause.try_downcast_ref::<PgDatabaseError>() {
        return POSTGRES_BUSY.contains(&cause.code());
    }
    if cause.try_downcast_ref::<SqliteError>().is_none() {
        return false;
    }
    let code = cause.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
    matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED)
}
