//! The tables: the server's own, and the entities' as they are created when absent.

use super::shape::ColumnType;
use crate::model::{Entity, Field};

/// The server's own tables. The columns that are compared with text of clients are ordered by their bytes.
///
/// Of the log, one index alone begins with the entity. Where PostgreSQL has never seen an entity it takes all indexes that begin with it for equally good,
/// and looks a record up in one that has all of the entity's.
pub(super) const OWN_TABLES: &str = r#"CREATE TABLE IF NOT EXISTS whimbrel_meta (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE IF NOT EXISTS whimbrel_clock (
  one integer PRIMARY KEY CHECK (one = 1),
  floor bigint NOT NULL,
  writer xid8 NOT NULL,
  began timestamptz NOT NULL
);
INSERT INTO whimbrel_clock (one, floor, writer, began) VALUES (1, 0, '0', 'epoch') ON CONFLICT (one) DO NOTHING;

CREATE TABLE IF NOT EXISTS whimbrel_log (
  version bigint NOT NULL,
  entity text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  scope text COLLATE "C" NOT NULL,
  gone boolean NOT NULL,
  PRIMARY KEY (entity, id, scope)
);
CREATE INDEX IF NOT EXISTS whimbrel_log_newest ON whimbrel_log (version);
CREATE INDEX IF NOT EXISTS whimbrel_log_by_version ON whimbrel_log (scope, entity, version);
CREATE INDEX IF NOT EXISTS whimbrel_log_by_id ON whimbrel_log (scope, entity, id) WHERE NOT gone;
CREATE INDEX IF NOT EXISTS whimbrel_log_gone ON whimbrel_log (version) WHERE gone;

CREATE TABLE IF NOT EXISTS whimbrel_deleted (
  entity text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (entity, id)
);

CREATE TABLE IF NOT EXISTS whimbrel_era (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" UNIQUE NOT NULL,
  at bigint NOT NULL,
  version bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS whimbrel_client (
  client text COLLATE "C" PRIMARY KEY,
  owner text NOT NULL,
  last_seq bigint NOT NULL,
  ack bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS whimbrel_time (
  entity text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  field text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (entity, id, field)
);

CREATE TABLE IF NOT EXISTS whimbrel_outcome (
  client text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  change text NOT NULL,
  entity text COLLATE "C",
  id text COLLATE "C",
  version bigint,
  outcome text NOT NULL,
  PRIMARY KEY (client, seq)
)"#;

/// Their names, in an order in which they can be dropped.
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
        "CREATE TABLE \"{}\" (\n  \"id\" text COLLATE \"C\" PRIMARY KEY CHECK (octet_length(\"id\") BETWEEN 1 AND {})",
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
    sql + "\n)"
}

/// The statement that adds the column of a field that came later.
pub(super) fn add_column(entity: &Entity, field: &Field) -> String {
    format!("ALTER TABLE \"{}\" ADD COLUMN {}", entity.table, column(field))
}

/// The indexes by which a row is found that refers to an attachment.
pub(super) fn create_attachment_indexes(entity: &Entity) -> Vec<String> {
    let fields = entity.attachments().filter_map(|position| entity.fields.get(position));
    let index = |field: &Field| {
        let Entity { name, table, .. } = entity;
        format!("CREATE INDEX IF NOT EXISTS \"{}\" ON \"{table}\" (\"{}\")", index_name(name, field), field.column)
    };
    fields.map(index).collect()
}

/// PostgreSQL cuts names at 63 bytes, so they are cut here, where it is known.
pub(super) fn index_name(entity: &str, field: &Field) -> String {
    cut(&format!("whimbrel_{entity}_{}", field.column))
}

/// A name that PostgreSQL takes as it is. Two long names that begin alike are told apart by a digest.
pub(super) fn cut(name: &str) -> String {
    const NAME_MAX: usize = 63;
    if name.len() <= NAME_MAX {
        return name.to_owned();
    }
    let digest = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).simple().to_string();
    name.chars().take(NAME_MAX - 9).chain("_".chars()).chain(digest.chars().take(8)).collect()
}

fn column(field: &Field) -> String {
    format!("\"{}\" {}", field.column, ColumnType::created(&field.kind).name)
}
