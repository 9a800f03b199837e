//! The tables: the server's own, and the entities' as they are created when absent.

use crate::model::{Entity, Field, FieldType};

/// The server's own tables.
pub(super) const OWN_TABLES: &str = "
CREATE TABLE IF NOT EXISTS whimbrel_meta (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS whimbrel_clock (
  one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
  version INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO whimbrel_clock (one, version) VALUES (1, 0);

CREATE TABLE IF NOT EXISTS whimbrel_log (
  version INTEGER NOT NULL,
  entity TEXT NOT NULL,
  id TEXT NOT NULL,
  scope TEXT NOT NULL,
  gone INTEGER NOT NULL,
  PRIMARY KEY (entity, id, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS whimbrel_log_by_version ON whimbrel_log (entity, scope, version);
CREATE INDEX IF NOT EXISTS whimbrel_log_by_id ON whimbrel_log (entity, scope, id) WHERE gone = 0;
CREATE INDEX IF NOT EXISTS whimbrel_log_gone ON whimbrel_log (version) WHERE gone = 1;

CREATE TABLE IF NOT EXISTS whimbrel_deleted (
  entity TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (entity, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS whimbrel_era (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE NOT NULL,
  at INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS whimbrel_client (
  client TEXT PRIMARY KEY NOT NULL,
  user TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  ack INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS whimbrel_time (
  entity TEXT NOT NULL,
  id TEXT NOT NULL,
  field TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (entity, id, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS whimbrel_outcome (
  client TEXT NOT NULL,
  seq INTEGER NOT NULL,
  change TEXT NOT NULL,
  entity TEXT,
  id TEXT,
  version INTEGER,
  outcome TEXT NOT NULL,
  PRIMARY KEY (client, seq)
) STRICT, WITHOUT ROWID;
";

/// Their names.
pub(super) const OWN_NAMES: [&str; 9] = [
    "whimbrel_dirty",
    "whimbrel_outcome",
    "whimbrel_time",
    "whimbrel_client",
    "whimbrel_era",
    "whimbrel_deleted",
    "whimbrel_log",
    "whimbrel_clock",
    "whimbrel_meta",
];

/// The statement that creates an entity's table.
pub(super) fn create_table(entity: &Entity) -> String {
    let mut sql = format!(
        "CREATE TABLE \"{}\" (\n  \"id\" TEXT PRIMARY KEY NOT NULL CHECK (length(\"id\") BETWEEN 1 AND {})",
        entity.table,
        whimbrel_protocol::ID_BYTES_MAX
    );
    for field in &entity.fields {
        sql += ",\n  ";
        sql += &column(field);
        // A view may show what it likes.
        if field.required && entity.view.is_none() {
            sql += " NOT NULL";
        }
    }
    sql + "\n) STRICT, WITHOUT ROWID"
}

/// The statement that adds the column of a field that came later.
pub(super) fn add_column(entity: &Entity, field: &Field) -> String {
    format!("ALTER TABLE \"{}\" ADD COLUMN {}", entity.table, column(field))
}

/// The indexes by which a row is found that refers to an attachment.
pub(super) fn create_attachment_indexes(entity: &Entity) -> String {
    let Entity { name, table, .. } = entity;
    let index = |column: &str| {
        format!("CREATE INDEX IF NOT EXISTS \"whimbrel_{name}_{column}\" ON \"{table}\" (\"{column}\");\n")
    };
    attachment_columns(entity).map(index).collect()
}

/// The statements that take them away.
pub(super) fn drop_attachment_indexes(entity: &Entity) -> String {
    attachment_columns(entity)
        .map(|column| format!("DROP INDEX IF EXISTS \"whimbrel_{}_{column}\";\n", entity.name))
        .collect()
}

fn attachment_columns(entity: &Entity) -> impl Iterator<Item = &str> {
    entity.attachments().filter_map(|position| Some(entity.fields.get(position)?.column.as_str()))
}

fn column(field: &Field) -> String {
    let name = &field.column;
    match field.kind {
        FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment => format!("\"{name}\" TEXT"),
        FieldType::Integer | FieldType::Timestamp => format!("\"{name}\" INTEGER"),
        FieldType::Real => format!("\"{name}\" REAL"),
        FieldType::Boolean => format!("\"{name}\" INTEGER CHECK (\"{name}\" IN (0, 1))"),
    }
}

/// The entity's columns as a `SELECT` list on the table `t`, in the order of its fields.
pub(super) fn select_list(entity: &Entity) -> String {
    entity.fields.iter().map(|field| format!(", t.\"{}\"", field.column)).collect()
}
