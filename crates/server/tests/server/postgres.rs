//! The suite on PostgreSQL, and what is special there.

suite!(crate::support::Postgres);
