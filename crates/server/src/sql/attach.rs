//! Why entities cannot be attached to a database.

/// The database cannot be used for these entities.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It failed.
    #[error("the database cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// Its address says nothing.
    #[error("the database's address cannot be used: {0}")]
    Address(#[source] sqlx::Error),
    /// Its version is too old.
    #[error("the database is PostgreSQL {found}; {wanted} is the oldest that can be used")]
    TooOld {
        /// Its version.
        found: i32,
        /// The oldest.
        wanted: i32,
    },
    /// The name is taken by something that is no table.
    #[error("entity {entity}: \"{table}\" is a {found} in the database, not a table")]
    NotATable {
        /// The entity.
        entity: String,
        /// The name.
        table: String,
        /// What it is.
        found: String,
    },
    /// A column is missing and cannot be added, because every row must have a value in it.
    #[error("entity {entity}: the table \"{table}\" has no column \"{column}\"; add it and fill it first")]
    MissingColumn {
        /// The entity.
        entity: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column's type cannot hold the field's values.
    #[error("entity {entity}: the column \"{column}\" of \"{table}\" is {found}, which cannot be {wanted}")]
    ColumnType {
        /// The entity.
        entity: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it is to hold.
        wanted: &'static str,
    },
    /// Rows cannot be told from each other.
    #[error("entity {entity}: \"id\" of \"{table}\" is neither the primary key nor unique; add one of the two first")]
    NoKey {
        /// The entity.
        entity: String,
        /// The table.
        table: String,
    },
}
