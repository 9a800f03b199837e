//! The shape of a table: which types its columns have, and so how values get in and out of it.
//!
//! A table that was there before may have ids of UUIDs or numbers, times of `timestamptz`, texts of enums. Each value is read with a cast to the type
//! it has on the wire, and written with one to the column's.

use crate::model::{Entity, Field, FieldType};
use crate::sql::AttachError;

/// What a type is like, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `text`, `varchar` and all that takes a text as it is.
    Text,
    Uuid,
    /// `smallint`, `integer`, `bigint`.
    Integer,
    /// `numeric`, `real`, `double precision`.
    Real,
    Boolean,
    /// `timestamptz`.
    Moment,
    /// `timestamp`, `date`: taken for UTC.
    LocalTime,
    Other,
}

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnType {
    pub(super) kind: Kind,
    /// As `CREATE TABLE` takes it, `character varying(80)` for example.
    pub(super) name: String,
    /// The collation, as `quote_ident` writes it; empty where there is none.
    pub(super) collation: String,
    /// What the column has when nothing is said, of one that must have a value.
    pub(super) default: Option<String>,
}

impl ColumnType {
    fn new(kind: Kind, name: &str, collation: &str) -> Self {
        Self { kind, name: name.to_owned(), collation: collation.to_owned(), default: None }
    }

    /// The type of the column of a table that is created.
    pub(super) fn created(field: &FieldType) -> Self {
        match field {
            FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment => Self::new(Kind::Text, "text", ""),
            FieldType::Integer | FieldType::Timestamp => Self::new(Kind::Integer, "bigint", ""),
            FieldType::Real => Self::new(Kind::Real, "double precision", ""),
            FieldType::Boolean => Self::new(Kind::Boolean, "boolean", ""),
        }
    }

    /// The same for the id. Ids are ordered by their bytes, whatever the language of the database.
    pub(super) fn created_id() -> Self {
        Self::new(Kind::Text, "text", r#"pg_catalog."C""#)
    }

    /// What the catalog says: the type's name, its name with modifiers, its category, its collation, its default.
    pub(super) fn found(base: &str, name: String, category: &str, collation: String, default: Option<String>) -> Self {
        let kind = match base {
            "uuid" => Kind::Uuid,
            "int2" | "int4" | "int8" => Kind::Integer,
            "numeric" | "float4" | "float8" => Kind::Real,
            "bool" => Kind::Boolean,
            "timestamptz" => Kind::Moment,
            "timestamp" | "date" => Kind::LocalTime,
            _ if category == "S" => Kind::Text,
            _ => Kind::Other,
        };
        Self { kind, name, collation, default }
    }

    /// A value of the column as the wire has it.
    fn read(&self, column: &str, field: &FieldType) -> String {
        match (field, self.kind) {
            (FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment, _) => format!("{column}::text"),
            (FieldType::Timestamp, Kind::Moment | Kind::LocalTime) => {
                format!("CASE WHEN isfinite({column}) THEN floor(extract(epoch FROM {column}) * 1000)::bigint END")
            }
            (FieldType::Integer | FieldType::Timestamp, _) => format!("{column}::bigint"),
            (FieldType::Real, _) => format!("{column}::double precision"),
            (FieldType::Boolean, Kind::Boolean) => column.to_owned(),
            (FieldType::Boolean, _) => format!("({column} <> 0)"),
        }
    }

    /// A bound value as the column takes it.
    fn write(&self, number: usize, field: &FieldType) -> String {
        match (field, self.kind) {
            // An assignment keeps the limit of a varchar; a cast would cut the text.
            (FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment, Kind::Text) => {
                format!("${number}::text")
            }
            (FieldType::Text { .. } | FieldType::Ref { .. } | FieldType::Attachment, _) => {
                format!("CAST(${number}::text AS {})", self.name)
            }
            (FieldType::Timestamp, Kind::Moment) => {
                format!("timestamptz 'epoch' + ${number}::bigint * interval '1 millisecond'")
            }
            (FieldType::Timestamp, Kind::LocalTime) => {
                format!("timestamp 'epoch' + ${number}::bigint * interval '1 millisecond'")
            }
            (FieldType::Integer | FieldType::Timestamp, _) => format!("${number}::bigint"),
            (FieldType::Real, _) => format!("${number}::double precision"),
            (FieldType::Boolean, Kind::Boolean) => format!("${number}::boolean"),
            (FieldType::Boolean, _) => format!("(${number}::boolean)::integer"),
        }
    }

    /// The same for a new row. A client that leaves out a field says null, which a column that must have a value takes for its default.
    fn write_new(&self, number: usize, field: &FieldType) -> String {
        let value = self.write(number, field);
        match &self.default {
            Some(default) => format!("coalesce({value}, CAST(({default}) AS {}))", self.name),
            None => value,
        }
    }

    fn holds(&self, field: &FieldType) -> bool {
        match field {
            FieldType::Text { .. } => true,
            FieldType::Ref { .. } => matches!(self.kind, Kind::Text | Kind::Uuid | Kind::Integer),
            FieldType::Attachment => self.kind == Kind::Text,
            FieldType::Integer => matches!(self.kind, Kind::Integer | Kind::Real),
            FieldType::Timestamp => matches!(self.kind, Kind::Integer | Kind::Real | Kind::Moment | Kind::LocalTime),
            FieldType::Real => matches!(self.kind, Kind::Integer | Kind::Real),
            FieldType::Boolean => matches!(self.kind, Kind::Boolean | Kind::Integer),
        }
    }
}

/// A table's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    id: ColumnType,
    /// In the order of the entity's fields.
    columns: Vec<ColumnType>,
    /// The table's constraints and unique indexes, each with the fields that it is about.
    pub(super) constraints: Vec<(String, Vec<usize>)>,
}

impl Shape {
    /// The shape of a table that is created.
    pub(super) fn created(entity: &Entity) -> Self {
        let columns = entity.fields.iter().map(|field| ColumnType::created(&field.kind)).collect();
        Self { id: ColumnType::created_id(), columns, constraints: Vec::new() }
    }

    /// The shape of a table that is there.
    ///
    /// # Errors
    /// [`AttachError::ColumnType`].
    pub(super) fn found(entity: &Entity, id: ColumnType, columns: Vec<ColumnType>) -> Result<Self, AttachError> {
        let misfit = |column: &str, found: &ColumnType, wanted| AttachError::ColumnType {
            entity: entity.name.clone(),
            table: entity.table.clone(),
            column: column.to_owned(),
            found: found.name.clone(),
            wanted,
        };
        let is_id = match id.kind {
            Kind::Text => ["text", "character varying"].iter().any(|name| id.name.starts_with(name)),
            Kind::Uuid | Kind::Integer => true,
            Kind::Real | Kind::Boolean | Kind::Moment | Kind::LocalTime | Kind::Other => false,
        };
        if !is_id {
            return Err(misfit("id", &id, "an id: text, varchar, uuid or a whole number"));
        }
        for (field, column) in entity.fields.iter().zip(&columns) {
            if !column.holds(&field.kind) {
                return Err(misfit(&field.column, column, field.kind.expected()));
            }
        }
        Ok(Self { id, columns, constraints: Vec::new() })
    }

    /// A text that is an id of the table, as the id column has it.
    pub(super) fn id_of(&self, text: &str) -> String {
        match self.id.kind {
            Kind::Uuid => format!("CAST({text} AS uuid)"),
            Kind::Integer => format!("CAST({text} AS bigint)"),
            _ if self.id.collation.is_empty() => text.to_owned(),
            _ => format!("({text}) COLLATE {}", self.id.collation),
        }
    }

    /// Whether a text can be an id of the table, written as the table itself would write it.
    pub(super) fn is_id(&self, text: &str) -> bool {
        match self.id.kind {
            Kind::Uuid => uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text),
            Kind::Integer => text.parse::<i64>().is_ok_and(|id| id.to_string() == text),
            _ => true,
        }
    }

    /// A field of the row `row`, as the wire has it.
    pub(super) fn field(&self, entity: &Entity, row: &str, position: usize) -> Option<String> {
        let (field, column) = (entity.fields.get(position)?, self.columns.get(position)?);
        Some(column.read(&format!("{row}.\"{}\"", field.column), &field.kind))
    }

    /// All fields of the row `t` for a `SELECT` list, each behind a comma.
    pub(super) fn select_list(&self, entity: &Entity) -> String {
        let fields = (0..entity.fields.len()).filter_map(|position| self.field(entity, "t", position));
        fields.map(|field| format!(", {field}")).collect()
    }

    /// The bound values of one row from number `first` on: the id, and all fields.
    pub(super) fn values(&self, entity: &Entity, first: usize) -> String {
        let id = match self.id.kind {
            Kind::Uuid => format!("CAST(${first}::text AS uuid)"),
            Kind::Integer => format!("CAST(${first}::text AS bigint)"),
            _ => format!("${first}::text"),
        };
        let fields = entity.fields.iter().zip(&self.columns).zip(first + 1..);
        let fields: String =
            fields.map(|((field, column), number)| format!(", {}", column.write_new(number, &field.kind))).collect();
        format!("({id}{fields})")
    }

    /// `SET` for some fields, whose values are bound from number `first` on.
    pub(super) fn sets(&self, entity: &Entity, positions: &[usize], first: usize) -> String {
        let set = |(position, number): (&usize, usize)| {
            let (field, column): (&Field, _) = (entity.fields.get(*position)?, self.columns.get(*position)?);
            Some(format!("\"{}\" = {}", field.column, column.write(number, &field.kind)))
        };
        positions.iter().zip(first..).filter_map(set).collect::<Vec<_>>().join(", ")
    }
}
