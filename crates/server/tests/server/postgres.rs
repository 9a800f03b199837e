//! The suite on PostgreSQL, and what is special there.

suite!(crate::support::Postgres);

#[path = "commit_order.rs"]
mod commit_order;
#[path = "crashes_of_postgres.rs"]
mod crashes_of_postgres;
#[path = "instances.rs"]
mod instances;
#[path = "instances_simulated.rs"]
mod instances_simulated;
#[path = "plain_postgres.rs"]
mod plain_postgres;
#[path = "realms_postgres.rs"]
mod realms_postgres;
