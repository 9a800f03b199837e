//! Why entities cannot be attached to a database.

use crate::model::Entity;
use crate::storage::StorageError;

/// The database cannot be used for these entities.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It failed.
    #[error("the database cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// Views could not be read.
    #[error("the views of the database cannot be read: {0}")]
    Views(#[source] StorageError),
    /// It is of another kind than what was asked for it.
    #[error("the database is of another kind")]
    OtherKind,
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
    /// The server's own tables are of a later server.
    #[error(
        "server/newer-database: the tables whimbrel_* are of a newer server; this one knows them up to format {known}"
    )]
    Newer {
        /// The newest format that is known here.
        known: usize,
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
    /// A view, or a table that one is made of, cannot be used.
    #[error("entity {entity}: \"{name}\" is {found}; a view is wanted, and tables that it is made of")]
    View {
        /// The entity.
        entity: String,
        /// The name.
        name: String,
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

impl AttachError {
    pub(crate) fn view(entity: &Entity, name: &str, found: &str) -> Self {
        Self::View { entity: entity.name.clone(), name: name.to_owned(), found: found.to_owned() }
    }

    pub(crate) fn missing(entity: &Entity, table: &str, column: &str) -> Self {
        Self::MissingColumn { entity: entity.name.clone(), table: table.to_owned(), column: column.to_owned() }
    }
}
