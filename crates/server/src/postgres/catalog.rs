//! What PostgreSQL's catalog says of the entities' tables.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::shape::{ColumnType, Shape};
use crate::model::{Entities, Entity, Field, View};
use crate::sql::AttachError;
use crate::storage::{StorageError, StorageResult};

/// The shapes of all tables, by the entity's name.
#[derive(Debug, Default)]
pub(super) struct Shapes(pub(super) BTreeMap<String, Shape>);

impl Shapes {
    /// The shape of an entity's table.
    pub(super) fn of(&self, entity: &Entity) -> StorageResult<&Shape> {
        let unknown = || StorageError::Failed(format!("the entity {} is not attached", entity.name).into());
        self.0.get(&entity.name).ok_or_else(unknown)
    }
}

/// A table that is there.
pub(super) struct Table {
    pub(super) shape: Shape,
    /// Fields that have no column yet, and may be empty.
    pub(super) missing: Vec<Field>,
    /// How many of the server's triggers it has, and that are on.
    pub(super) triggers: i64,
}

/// Bytes of a name that PostgreSQL keeps.
fn kept(name: &str) -> String {
    name.chars().take(63).collect()
}

/// The schema in which everything is, and whether it is there: one that a realm names may be to come.
pub(super) async fn schema(connection: &mut PgConnection) -> Result<(String, bool), AttachError> {
    let sql = "SELECT current_schema()::text, current_setting('search_path')";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    match row.try_get(0)? {
        Some(schema) => Ok((schema, true)),
        None => Ok((first_of(&row.try_get::<String, _>(1)?), false)),
    }
}

/// The first name of a search path; the usual one where that is a user's, whatever the name.
fn first_of(path: &str) -> String {
    let first = path.split(',').next().unwrap_or_default().trim().trim_matches('"');
    if first.is_empty() || first.starts_with('$') { "public".to_owned() } else { first.to_owned() }
}

/// The table of an entity; none when it is absent.
pub(super) async fn table(connection: &mut PgConnection, entity: &Entity) -> Result<Option<Table>, AttachError> {
    let found = "SELECT c.oid::bigint, c.relkind::text FROM pg_class AS c \
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE n.nspname = current_schema() AND c.relname = $1";
    let found = sqlx::query(found).bind(kept(&entity.table)).fetch_optional(&mut *connection).await?;
    let Some(found) = found else { return Ok(None) };
    let (oid, kind): (i64, String) = (found.try_get(0)?, found.try_get(1)?);
    if kind != "r" {
        let found = match kind.as_str() {
            "v" => "view",
            "m" => "materialized view",
            "p" => "partitioned table",
            "f" => "foreign table",
            _ => "relation of another kind",
        };
        let (entity, table) = (entity.name.clone(), entity.table.clone());
        return Err(AttachError::NotATable { entity, table, found: found.to_owned() });
    }
    let columns = columns(connection, oid).await?;
    let (mut shape, missing) = fit(entity, &columns)?;
    shape.constraints = constraints(connection, oid, entity).await?;
    if !is_key(connection, oid).await? {
        return Err(AttachError::NoKey { entity: entity.name.clone(), table: entity.table.clone() });
    }
    let triggers = "SELECT count(*) FROM pg_trigger \
                    WHERE tgrelid = $1::bigint::oid AND tgname LIKE 'whimbrel\\_%' AND tgenabled <> 'D'";
    let triggers = sqlx::query(triggers).bind(oid).fetch_one(connection).await?.try_get(0)?;
    Ok(Some(Table { shape, missing, triggers }))
}

/// The shape of a view, of which all columns must be there, as well as the tables that it is made of.
pub(super) async fn view(connection: &mut PgConnection, entity: &Entity, view: &View) -> Result<Shape, AttachError> {
    let find = "SELECT c.oid::bigint, c.relkind::text FROM pg_class AS c \
                JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                WHERE n.nspname = current_schema() AND c.relname = $1";
    let mut oid = 0;
    let tables = view.of.iter().map(|table| (table, ["r"].as_slice()));
    for (name, kinds) in tables.chain([(&view.name, ["v", "m"].as_slice())]) {
        let found = sqlx::query(find).bind(kept(name)).fetch_optional(&mut *connection).await?;
        let Some(found) = found else { return Err(AttachError::view(entity, name, "not there")) };
        let kind: String = found.try_get(1)?;
        if !kinds.contains(&kind.as_str()) {
            return Err(AttachError::view(entity, name, if kind == "r" { "a table" } else { "no table" }));
        }
        oid = found.try_get(0)?;
    }
    let columns = columns(connection, oid).await?;
    let column =
        |name: &str| columns.get(&kept(name)).cloned().ok_or_else(|| AttachError::missing(entity, &view.name, name));
    let types = entity.fields.iter().map(|field| column(&field.column)).collect::<Result<_, _>>()?;
    Shape::found(entity, column("id")?, types)
}

async fn columns(connection: &mut PgConnection, oid: i64) -> Result<BTreeMap<String, ColumnType>, AttachError> {
    let sql = "SELECT a.attname::text, b.typname::text, format_type(a.atttypid, a.atttypmod), t.typcategory::text, \
               coalesce((SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname) FROM pg_collation AS c \
                         JOIN pg_namespace AS n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation), ''), \
               CASE WHEN a.attnotnull AND a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END \
               FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid \
               JOIN pg_type AS b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END \
               LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
               WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = sqlx::query(sql).bind(oid).fetch_all(connection).await?;
    let column = |row: &PgRow| {
        let (base, category): (String, String) = (row.try_get(1)?, row.try_get(3)?);
        Ok((row.try_get(0)?, ColumnType::found(&base, row.try_get(2)?, &category, row.try_get(4)?, row.try_get(5)?)))
    };
    rows.iter().map(column).collect()
}

fn fit(entity: &Entity, columns: &BTreeMap<String, ColumnType>) -> Result<(Shape, Vec<Field>), AttachError> {
    let missing = |column: &str| AttachError::MissingColumn {
        entity: entity.name.clone(),
        table: entity.table.clone(),
        column: column.to_owned(),
    };
    let id = columns.get("id").ok_or_else(|| missing("id"))?;
    let (mut types, mut absent) = (Vec::with_capacity(entity.fields.len()), Vec::new());
    for field in &entity.fields {
        match columns.get(&kept(&field.column)) {
            Some(found) => types.push(found.clone()),
            None if field.required => return Err(missing(&field.column)),
            None => {
                types.push(ColumnType::created(&field.kind));
                absent.push(field.clone());
            }
        }
    }
    Ok((Shape::found(entity, id.clone(), types)?, absent))
}

/// Whether no two rows can have the same id.
async fn is_key(connection: &mut PgConnection, oid: i64) -> Result<bool, AttachError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_index AS i JOIN pg_attribute AS a \
               ON a.attrelid = i.indrelid AND a.attname = 'id' AND a.attnum = i.indkey[0] \
               WHERE i.indrelid = $1::bigint::oid AND i.indisunique AND i.indpred IS NULL AND i.indnkeyatts = 1)";
    Ok(sqlx::query(sql).bind(oid).fetch_one(connection).await?.try_get(0)?)
}

/// The constraints and unique indexes of a table, and the fields that each is about.
async fn constraints(
    connection: &mut PgConnection,
    oid: i64,
    entity: &Entity,
) -> Result<Vec<(String, Vec<usize>)>, AttachError> {
    let sql = "SELECT k.name::text, array_agg(a.attname::text) FROM (\
                 SELECT conname AS name, conkey AS key FROM pg_constraint WHERE conrelid = $1::bigint::oid \
                 UNION SELECT c.relname, i.indkey::int2[] FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
                 WHERE i.indrelid = $1::bigint::oid AND i.indisunique\
               ) AS k JOIN pg_attribute AS a ON a.attrelid = $1::bigint::oid AND a.attnum = ANY (k.key) GROUP BY k.name";
    let rows = sqlx::query(sql).bind(oid).fetch_all(connection).await?;
    let mut constraints = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns: Vec<String> = row.try_get(1)?;
        constraints
            .push((row.try_get(0)?, columns.iter().filter_map(|name| entity.position_of_column(name)).collect()));
    }
    Ok(constraints)
}

/// What the server noted under that name; none also when it has no tables yet.
pub(super) async fn noted(connection: &mut PgConnection, name: &str) -> Result<Option<String>, AttachError> {
    let row =
        sqlx::query("SELECT value FROM whimbrel_meta WHERE name = $1").bind(name).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Whether the server's own tables are there.
pub(super) async fn has_own_tables(connection: &mut PgConnection) -> Result<bool, AttachError> {
    let sql = "SELECT to_regclass(quote_ident(current_schema()) || '.whimbrel_log') IS NOT NULL";
    Ok(sqlx::query(sql).fetch_one(connection).await?.try_get(0)?)
}

/// The shapes of tables that are all there.
pub(super) async fn shapes(connection: &mut PgConnection, entities: &Entities) -> Result<Shapes, AttachError> {
    let mut shapes = Shapes::default();
    for entity in entities.iter() {
        if let Some(table) = table(connection, entity).await? {
            shapes.0.insert(entity.name.clone(), table.shape);
        }
    }
    Ok(shapes)
}
