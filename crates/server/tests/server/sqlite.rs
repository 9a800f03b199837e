//! The suite on SQLite, and what is special there.

suite!(crate::support::Sqlite);

#[path = "plain_sqlite.rs"]
mod plain_sqlite;
