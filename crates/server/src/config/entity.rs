//! `[[entity]]`: one kind of record.

use std::collections::BTreeSet;

use toml::de::DeTable;
use whimbrel_merge::Rule;

use super::file::{AllowEntry, EntityEntry, FieldEntry, PolicyEntry, RuleEntry, TypeEntry, ViewEntry};
use super::finding::{ConfigCode, Finding, Findings, Place, Step, suggestion};
use crate::model::{
    Allow, Entity, Field, FieldType, Grant, Policy, ScopeTemplate, ScopeTemplateError, View, check_name,
};

/// Beginnings of table names that belong to somebody else.
const RESERVED: [&str; 3] = ["sqlite_", "pg_", "whimbrel_"];

/// Bytes of the name of an entity that is a view, at most: other names are made of it.
const VIEW_NAME_BYTES_MAX: usize = 40;

/// What there is by name in the whole file.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All entities, also those that could not be read.
    pub(super) entities: BTreeSet<String>,
    /// The places of those that could be read.
    pub(super) places: Vec<Place>,
    /// The same of realms.
    pub(super) realms: BTreeSet<String>,
    /// The places of those that could be read.
    pub(super) realm_places: Vec<Place>,
}

impl Names {
    pub(super) fn read(table: &DeTable<'_>, wrong: &[Finding]) -> Self {
        let (entities, places) = listed("entity", table, wrong);
        let (realms, realm_places) = listed("realm", table, wrong);
        Self { entities, places, realms, realm_places }
    }
}

/// The names of a list's entries, and the places of those that could be read.
fn listed(key: &str, table: &DeTable<'_>, wrong: &[Finding]) -> (BTreeSet<String>, Vec<Place>) {
    let (mut names, mut places) = (BTreeSet::new(), Vec::new());
    let list = table.get(key).and_then(|list| list.get_ref().as_array());
    for (index, entry) in list.into_iter().flat_map(|list| list.iter().enumerate()) {
        let name = entry.get_ref().as_table().and_then(|table| table.get("name")?.get_ref().as_str());
        names.extend(name.map(str::to_owned));
        let is_in = |finding: &Finding| matches!(finding.place.0.as_slice(), [Step::Key(of), Step::Index(at), ..] if of == key && *at == index);
        if !wrong.iter().any(is_in) {
            places.push(Place::of(key).at(index));
        }
    }
    (names, places)
}

pub(super) fn check_entity(entry: EntityEntry, names: &Names, place: &Place, findings: &mut Findings) -> Entity {
    findings.take(ConfigCode::Name, &place.key("name"), check_name(&entry.name));
    if let Some(table) = &entry.table {
        findings.take(ConfigCode::Name, &place.key("table"), check_name(table));
    }
    let mut table = entry.table.clone().unwrap_or_else(|| entry.name.clone());
    if RESERVED.iter().any(|reserved| table.to_lowercase().starts_with(reserved)) {
        let place = place.key(if entry.table.is_some() { "table" } else { "name" });
        findings.add(ConfigCode::Name, &place, format!("the table name {table} is reserved"));
    }
    let view = entry.view.map(|view| check_view(view, entry.table.is_some(), entry.policy, place, findings));
    if view.is_some() {
        if entry.name.len() > VIEW_NAME_BYTES_MAX {
            let what = format!("the name of an entity that is a view has {VIEW_NAME_BYTES_MAX} bytes at most");
            findings.add(ConfigCode::Name, &place.key("name"), what);
        }
        table = format!("whimbrel_view_{}", entry.name);
    }
    let mut columns = BTreeSet::from(["id".to_owned()]);
    let mut fields: Vec<Field> = Vec::with_capacity(entry.fields.len());
    for (field, number) in entry.fields.into_iter().zip(0..) {
        let place = place.key("fields").at(number);
        let has_column = field.column.is_some();
        let field = check_field(field, names, &place, entry.policy, findings);
        if fields.iter().any(|other| other.name == field.name) {
            findings.add(ConfigCode::Duplicate, &place.key("name"), "is declared twice");
        } else if !columns.insert(field.column.to_lowercase()) && field.name != "id" {
            let place = place.key(if has_column { "column" } else { "name" });
            findings.add(ConfigCode::Duplicate, &place, format!("the column {} is taken", field.column));
        }
        fields.push(field);
    }
    let pair = entry.pair.and_then(|names| check_pair(&names, &mut fields, &place.key("pair"), findings));
    let policy = match entry.policy {
        PolicyEntry::ReadOnly => Policy::ReadOnly,
        PolicyEntry::AppendOnly => Policy::AppendOnly,
        PolicyEntry::LastWriteWins => Policy::LastWriteWins,
        PolicyEntry::Merge => Policy::Merge,
        PolicyEntry::DetectConflicts => Policy::DetectConflicts,
    };
    let scopes = check_scopes(&entry.scopes, &fields, &place.key("scopes"), findings);
    let allow = check_allow(entry.allow, policy, &place.key("allow"), findings);
    Entity { name: entry.name, table, policy, fields, scopes, allow, view, pair }
}

fn check_view(entry: ViewEntry, has_table: bool, policy: PolicyEntry, place: &Place, findings: &mut Findings) -> View {
    if has_table {
        findings.value(&place.key("table"), "an entity has a table or a view, not both");
    }
    if policy != PolicyEntry::ReadOnly {
        findings.value(&place.key("policy"), "of a view it is readOnly: nobody pushes to it");
    }
    let place = place.key("view");
    let of = (0..).map(|number| place.key("of").at(number));
    for (name, place) in entry.of.iter().zip(of).chain([(&entry.name, place.key("name"))]) {
        findings.take(ConfigCode::Name, &place, check_name(name));
        if RESERVED.iter().any(|reserved| name.to_lowercase().starts_with(reserved)) {
            findings.add(ConfigCode::Name, &place, format!("the name {name} is reserved"));
        }
    }
    View { name: entry.name, of: entry.of }
}

/// The two refs of a pair, which every record then has.
fn check_pair(names: &[String; 2], fields: &mut [Field], place: &Place, findings: &mut Findings) -> Option<[usize; 2]> {
    let mut pair = [0; 2];
    for (number, (position, name)) in pair.iter_mut().zip(names).enumerate() {
        let known: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let Some((found, field)) = fields.iter_mut().enumerate().find(|(_, field)| field.name == *name) else {
            let meant = suggestion(name, known.iter().map(String::as_str));
            findings.add(ConfigCode::UnknownName, &place.at(number), format!("{name} is not a field{meant}"));
            return None;
        };
        if !matches!(field.kind, FieldType::Ref { .. }) || field.rule.is_some() {
            findings.value(&place.at(number), format!("{name}: a pair is of two refs without a merge rule"));
            return None;
        }
        field.required = true;
        *position = found;
    }
    let [first, second] = pair;
    if first == second {
        findings.value(place, "names the same field twice");
        return None;
    }
    Some(pair)
}

fn check_field(entry: FieldEntry, names: &Names, place: &Place, policy: PolicyEntry, findings: &mut Findings) -> Field {
    findings.take(ConfigCode::Name, &place.key("name"), check_name(&entry.name));
    if entry.name == "id" {
        findings.add(ConfigCode::Name, &place.key("name"), "every record has an id; it is not declared");
    }
    if let Some(column) = &entry.column {
        findings.take(ConfigCode::Name, &place.key("column"), check_name(column));
    }
    if entry.max.is_some() && entry.kind != TypeEntry::Text {
        findings.value(&place.key("max"), "max is for text only");
    }
    let kind = match entry.kind {
        TypeEntry::Text => FieldType::Text { max: entry.max },
        TypeEntry::Integer => FieldType::Integer,
        TypeEntry::Real => FieldType::Real,
        TypeEntry::Boolean => FieldType::Boolean,
        TypeEntry::Timestamp => FieldType::Timestamp,
        TypeEntry::Ref => FieldType::Ref { entity: entry.entity.clone().unwrap_or_default() },
        TypeEntry::Attachment => FieldType::Attachment,
    };
    match (&kind, &entry.entity) {
        (FieldType::Ref { .. }, None) => {
            findings.add(ConfigCode::MissingKey, &place.key("entity"), "is missing: the entity that the ref refers to");
        }
        (FieldType::Ref { .. }, Some(entity)) if !names.entities.contains(entity) => {
            let meant = suggestion(entity, names.entities.iter().map(String::as_str));
            findings.add(ConfigCode::UnknownName, &place.key("entity"), format!("there is no entity {entity}{meant}"));
        }
        (FieldType::Ref { .. }, Some(_)) | (_, None) => {}
        (_, Some(_)) => findings.value(&place.key("entity"), "entity is for a ref only"),
    }
    let rule = entry.merge.map(|rule| check_rule(rule, &kind, policy, &place.key("merge"), findings));
    let column = entry.column.unwrap_or_else(|| entry.name.clone());
    Field { name: entry.name, column, kind, required: entry.required, rule }
}

fn check_rule(rule: RuleEntry, kind: &FieldType, policy: PolicyEntry, place: &Place, findings: &mut Findings) -> Rule {
    if policy != PolicyEntry::Merge {
        findings.value(place, "merge is for entities whose policy is merge");
    }
    match (rule, kind) {
        (RuleEntry::Sum, FieldType::Integer | FieldType::Real) | (RuleEntry::Union, FieldType::Text { .. }) => {}
        (RuleEntry::Sum, _) => findings.value(place, "sum is for numbers"),
        (RuleEntry::Union, _) => findings.value(place, "union is for text"),
        (RuleEntry::Server | RuleEntry::Client | RuleEntry::Newest, _) => {}
    }
    match rule {
        RuleEntry::Server => Rule::Server,
        RuleEntry::Client => Rule::Client,
        RuleEntry::Newest => Rule::Newest,
        RuleEntry::Sum => Rule::Sum,
        RuleEntry::Union => Rule::Union,
    }
}

fn check_scopes(texts: &[String], fields: &[Field], place: &Place, findings: &mut Findings) -> Vec<ScopeTemplate> {
    let position = |name: &str| fields.iter().position(|field| field.name == name);
    let mut scopes = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        let place = place.at(number);
        match ScopeTemplate::parse(text, position) {
            Ok(scope) => {
                let kind = match &scope {
                    ScopeTemplate::ByField { field, .. } => fields.get(*field).map(|field| &field.kind),
                    ScopeTemplate::Everyone(_) => None,
                };
                if matches!(kind, Some(FieldType::Real | FieldType::Boolean | FieldType::Attachment)) {
                    findings.value(&place, format!("\"{text}\": scopes are made of text, whole numbers and refs"));
                }
                scopes.push(scope);
            }
            Err(error @ ScopeTemplateError::Form(_)) => findings.value(&place, error),
            Err(ScopeTemplateError::UnknownField { field, .. }) => {
                let meant = suggestion(&field, fields.iter().map(|field| field.name.as_str()));
                let what = format!("\"{text}\" names the field {field}, which the entity does not have{meant}");
                findings.add(ConfigCode::UnknownName, &place, what);
            }
        }
    }
    scopes
}

/// Who may do what. What the policy does not let anybody do is not granted to somebody.
fn check_allow(entry: AllowEntry, policy: Policy, place: &Place, findings: &mut Findings) -> Allow {
    let never: &[&str] = match policy {
        Policy::ReadOnly => &["write", "create", "update", "delete"],
        Policy::AppendOnly => &["update", "delete"],
        Policy::LastWriteWins | Policy::Merge | Policy::DetectConflicts => &[],
    };
    let AllowEntry { read, write, create, update, delete } = entry;
    let named = [("read", Some(&read)), ("write", Some(&write)), ("create", create.as_ref())];
    for (key, scopes) in named.into_iter().chain([("update", update.as_ref()), ("delete", delete.as_ref())]) {
        let scopes = scopes.map_or(&[][..], Vec::as_slice);
        if never.contains(&key) && !scopes.is_empty() {
            findings.value(&place.key(key), "the entity's policy lets nobody do that");
        }
        for (number, _) in scopes.iter().enumerate().filter(|(_, scope)| scope.is_empty()) {
            findings.value(&place.key(key).at(number), "a scope is not empty; \"*\" is everybody");
        }
    }
    let or_write = |own: Option<Vec<String>>| Grant::new(own.unwrap_or_else(|| write.clone()));
    Allow { read: Grant::new(read), create: or_write(create), update: or_write(update), delete: or_write(delete) }
}
