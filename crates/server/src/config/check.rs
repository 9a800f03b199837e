//! From the file's shape to a consistent configuration.

use std::collections::BTreeSet;
use std::path::Path;

use whimbrel_merge::Rule;
use whimbrel_protocol::ATTACHMENT_BYTES_MAX;

use super::auth::check_auth;
use super::cors::check_cors;
use super::file::{AttachmentsEntry, EntityEntry, FieldEntry, File, PolicyEntry, SeedEntry, TypeEntry};
use super::{Attachments, Config, ConfigError, POSTGRES, Seed};
use crate::model::{Entities, Entity, Field, FieldType, Policy, ScopeTemplate, check_name};

/// Fields of an entity, at most; the same as in the engine.
const FIELDS_MAX: usize = 256;

pub(super) type Checked<T> = Result<T, ConfigError>;

/// `data` is where the data is when the file only names a database.
pub(super) fn check(file: File, data: &Path) -> Checked<Config> {
    let database = file.database.map(check_database).transpose()?;
    let data = match file.data {
        Some(data) => data.relative(),
        None if database.is_some() => data.to_owned(),
        None => return Err(content("the file", "names neither data (a SQLite file) nor a database (of PostgreSQL)")),
    };
    if file.entity.is_empty() {
        return Err(content("the file", "declares no [[entity]]"));
    }
    if file.retention.tombstones_days == 0 {
        return Err(content("retention", "tombstones_days is 0; removals must be there to be pulled, a day at least"));
    }
    let names: BTreeSet<String> = file.entity.iter().map(|entity| entity.name.clone()).collect();
    let mut tables = BTreeSet::new();
    let mut entities = Vec::with_capacity(file.entity.len());
    for entry in file.entity {
        let entity = check_entity(entry, &names)?;
        let place = format!("entity {}", entity.name);
        if entities.iter().any(|other: &Entity| other.name == entity.name) {
            return Err(content(place, "is declared twice"));
        }
        if !tables.insert(entity.table.to_lowercase()) {
            return Err(content(place, format!("the table {} belongs to another entity", entity.table)));
        }
        entities.push(entity);
    }
    let entities = Entities::new(entities);
    let (tokens, issuers) = check_auth(file.auth)?;
    Ok(Config {
        listen: file.listen,
        data,
        database,
        static_files: file.static_files.map(|folder| folder.relative()),
        attachments: check_attachments(file.attachments.unwrap_or_default())?,
        tokens,
        issuers,
        cors_origins: check_cors(file.cors)?,
        tombstones_days: file.retention.tombstones_days,
        seeds: file.seed.into_iter().map(|entry| check_seed(entry, &entities)).collect::<Checked<_>>()?,
        entities,
    })
}

fn check_database(url: String) -> Checked<String> {
    if POSTGRES.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(url);
    }
    Err(content("database", "its address begins with postgres://; a SQLite file is named by data"))
}

pub(super) fn content(place: impl Into<String>, what: impl ToString) -> ConfigError {
    ConfigError::Content { place: place.into(), what: what.to_string() }
}

fn check_entity(entry: EntityEntry, names: &BTreeSet<String>) -> Checked<Entity> {
    let place = format!("entity {}", entry.name);
    check_name(&entry.name).map_err(|error| content(&place, error))?;
    let table = entry.table.unwrap_or_else(|| entry.name.clone());
    check_name(&table).map_err(|error| content(&place, error))?;
    if ["sqlite_", "pg_", "whimbrel_"].iter().any(|reserved| table.to_lowercase().starts_with(reserved)) {
        return Err(content(place, format!("the table name {table} is reserved")));
    }
    if entry.fields.is_empty() || entry.fields.len() > FIELDS_MAX {
        return Err(content(place, format!("has {} fields; 1 to {FIELDS_MAX} are possible", entry.fields.len())));
    }
    let mut columns = BTreeSet::from(["id".to_owned()]);
    let mut fields: Vec<Field> = Vec::with_capacity(entry.fields.len());
    for field in entry.fields {
        let place = format!("{place}, field {}", field.name);
        let field = check_field(field, names, &place, entry.policy)?;
        if fields.iter().any(|other| other.name == field.name) {
            return Err(content(place, "is declared twice"));
        }
        if !columns.insert(field.column.to_lowercase()) {
            return Err(content(place, format!("the column {} is taken", field.column)));
        }
        fields.push(field);
    }
    let pair = entry.pair.map(|names| check_pair(&names, &mut fields, &place)).transpose()?;
    let policy = match entry.policy {
        PolicyEntry::ReadOnly => Policy::ReadOnly,
        PolicyEntry::AppendOnly => Policy::AppendOnly,
        PolicyEntry::LastWriteWins => Policy::LastWriteWins,
        PolicyEntry::Merge => Policy::Merge,
        PolicyEntry::DetectConflicts => Policy::DetectConflicts,
    };
    let scopes = check_scopes(&entry.scopes, &fields, &place)?;
    Ok(Entity { name: entry.name, table, policy, fields, scopes, pair })
}

/// The two refs of a pair, which every record then has.
fn check_pair(names: &[String; 2], fields: &mut [Field], place: &str) -> Checked<[usize; 2]> {
    let mut pair = [0; 2];
    for (position, name) in pair.iter_mut().zip(names) {
        let Some((found, field)) = fields.iter_mut().enumerate().find(|(_, field)| field.name == *name) else {
            return Err(content(place, format!("pair names {name}, which is not a field")));
        };
        if !matches!(field.kind, FieldType::Ref { .. }) || field.rule.is_some() {
            return Err(content(place, format!("pair names {name}; a pair is of two refs without a merge rule")));
        }
        field.required = true;
        *position = found;
    }
    let [first, second] = pair;
    if first == second {
        return Err(content(place, "pair names the same field twice"));
    }
    Ok(pair)
}

fn check_field(entry: FieldEntry, names: &BTreeSet<String>, place: &str, policy: PolicyEntry) -> Checked<Field> {
    check_name(&entry.name).map_err(|error| content(place, error))?;
    if entry.name == "id" {
        return Err(content(place, "every entity has an id; it is not declared"));
    }
    let column = entry.column.unwrap_or_else(|| entry.name.clone());
    check_name(&column).map_err(|error| content(place, error))?;
    if entry.max.is_some() && entry.kind != TypeEntry::Text {
        return Err(content(place, "max is for text only"));
    }
    if entry.entity.is_some() != (entry.kind == TypeEntry::Ref) {
        return Err(content(place, "entity belongs to a ref, and a ref needs one"));
    }
    let kind = match entry.kind {
        TypeEntry::Text => FieldType::Text { max: entry.max },
        TypeEntry::Integer => FieldType::Integer,
        TypeEntry::Real => FieldType::Real,
        TypeEntry::Boolean => FieldType::Boolean,
        TypeEntry::Timestamp => FieldType::Timestamp,
        TypeEntry::Ref => {
            let entity = entry.entity.unwrap_or_default();
            if !names.contains(&entity) {
                return Err(content(place, format!("there is no entity {entity}")));
            }
            FieldType::Ref { entity }
        }
        TypeEntry::Attachment => FieldType::Attachment,
    };
    let rule = entry.merge.map(|name| check_rule(&name, &kind, policy, place)).transpose()?;
    Ok(Field { name: entry.name, column, kind, required: entry.required, rule })
}

fn check_rule(name: &str, kind: &FieldType, policy: PolicyEntry, place: &str) -> Checked<Rule> {
    let Some(rule) = Rule::of_name(name) else {
        let names = Rule::ALL.map(Rule::name).join(", ");
        return Err(content(place, format!("merge = \"{name}\": there are {names}")));
    };
    if policy != PolicyEntry::Merge {
        return Err(content(place, "merge is for entities whose policy is merge"));
    }
    match (rule, kind) {
        (Rule::Sum, FieldType::Integer | FieldType::Real) | (Rule::Union, FieldType::Text { .. }) => Ok(rule),
        (Rule::Sum, _) => Err(content(place, "sum is for numbers")),
        (Rule::Union, _) => Err(content(place, "union is for text")),
        (Rule::Server | Rule::Client | Rule::Newest, _) => Ok(rule),
    }
}

fn check_scopes(texts: &[String], fields: &[Field], place: &str) -> Checked<Vec<ScopeTemplate>> {
    if texts.is_empty() {
        return Err(content(place, "has no scopes, so nobody could ever see a row of it"));
    }
    let position = |name: &str| fields.iter().position(|field| field.name == name);
    let mut scopes = Vec::with_capacity(texts.len());
    for text in texts {
        let scope = ScopeTemplate::parse(text, position).map_err(|error| content(place, error))?;
        if let ScopeTemplate::ByField { field, .. } = &scope {
            let kind = fields.get(*field).map(|field| &field.kind);
            if matches!(kind, Some(FieldType::Real | FieldType::Boolean | FieldType::Attachment)) {
                return Err(content(place, format!("\"{text}\": scopes are made of text, whole numbers and refs")));
            }
        }
        scopes.push(scope);
    }
    Ok(scopes)
}

fn check_attachments(entry: AttachmentsEntry) -> Checked<Attachments> {
    let max_bytes = entry.max_bytes.unwrap_or(ATTACHMENT_BYTES_MAX);
    if max_bytes == 0 || max_bytes > ATTACHMENT_BYTES_MAX {
        return Err(content("attachments", format!("maxBytes is 1 to {ATTACHMENT_BYTES_MAX}")));
    }
    Ok(Attachments { folder: entry.folder.map(|folder| folder.relative()), max_bytes })
}

fn check_seed(entry: SeedEntry, entities: &Entities) -> Checked<Seed> {
    let place = format!("seed of {}", entry.entity);
    if entities.find(&entry.entity).is_none() {
        return Err(content(place, "there is no such entity"));
    }
    if entry.id_from.is_empty() {
        return Err(content(place, "idFrom names no keys"));
    }
    Ok(Seed { entity: entry.entity, file: entry.file.relative(), id_from: entry.id_from })
}
