//! Records that refer to each other, kept the simple way; what a query over them should find, and random queries.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use whimbrel::model::{Entity, Field, FieldType, IndexSpec, OnDelete, Row, Schema, Value, uuid_v7};

/// Entities, their fields, what these refer to, and whether they have an index.
pub(crate) type Fields = &'static [(&'static str, Option<&'static str>, bool)];
pub(crate) const ENTITIES: [(&str, Fields); 5] = [
    ("place", &[("name", None, false), ("inId", Some("place"), false)]),
    ("order", &[("title", None, true), ("placeId", Some("place"), true), ("afterId", Some("order"), true)]),
    ("note", &[("body", None, false), ("orderId", Some("order"), false), ("placeId", Some("place"), false)]),
    ("tag", &[("name", None, true)]),
    ("orderTag", &[("orderId", Some("order"), false), ("tagId", Some("tag"), false)]),
];
/// Indexes over several fields.
pub(crate) const INDEXES: [(&str, &[&str]); 2] = [("note", &["orderId", "body"]), ("orderTag", &["orderId", "tagId"])];
/// Records of an entity.
pub(crate) const IDS: usize = 12;

pub(crate) fn schema() -> Schema {
    let field = |(name, target, index): &(&str, Option<&str>, bool)| Field {
        name: (*name).to_owned(),
        kind: target.map_or(FieldType::text(None), |target| FieldType::Ref {
            entity: target.to_owned(),
            on_delete: OnDelete::default(),
        }),
        optional: true,
        index: *index,
        ..Field::default()
    };
    let index = |fields: &[&str]| IndexSpec {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        ..IndexSpec::default()
    };
    let entity = |(name, fields): &(&str, Fields)| Entity {
        name: (*name).to_owned(),
        fields: fields.iter().map(field).collect(),
        indexes: INDEXES.iter().filter(|(entity, _)| entity == name).map(|(_, fields)| index(fields)).collect(),
        ..Entity::default()
    };
    Schema { version: 1, entities: ENTITIES.iter().map(entity).collect(), ..Schema::default() }
}

pub(crate) fn fields_of(entity: &str) -> Fields {
    ENTITIES.iter().find(|(name, _)| *name == entity).unwrap().1
}

/// Half of the ids are UUIDs: they sort before the others.
pub(crate) fn id(number: usize) -> String {
    if number.is_multiple_of(2) { uuid_v7(number as i64, [7; 16]) } else { format!("id {number}") }
}

/// One record: entity, number, values; a value below `IDS` is an id or a text, another is null.
pub(crate) type Record = (usize, usize, Vec<usize>, bool);

pub(crate) fn record() -> impl Strategy<Value = Record> {
    (0..ENTITIES.len(), 0..IDS, prop::collection::vec(0..IDS + 3, 3), prop::bool::weighted(0.1))
}

pub(crate) fn row((entity, _, values, deleted): &Record) -> Row {
    let value = |((_, target, _), number): (&(_, Option<&str>, _), &usize)| match target {
        _ if *number >= IDS => Value::Null,
        // Few are named, so that some are named by many.
        Some(_) => Value::Text(id(*number % 5)),
        // Long texts, so that there are many pages.
        None => Value::Text(format!("text {}{}", number % 4, "x".repeat(3_000))),
    };
    let values = ENTITIES[*entity].1.iter().zip(values).map(value).collect();
    Row { version: 1, dirty: *deleted, deleted: *deleted, values, ..Row::default() }
}

/// The records that are there, by entity.
#[derive(Default, Clone)]
pub(crate) struct Model(BTreeMap<&'static str, BTreeMap<String, Json>>);

impl Model {
    pub(crate) fn put(&mut self, record: &Record) {
        let (name, fields) = ENTITIES[record.0];
        let records = self.0.entry(name).or_default();
        let id = id(record.1);
        if record.3 {
            records.remove(&id);
            return;
        }
        let mut object = json!({ "id": id });
        for ((field, ..), value) in fields.iter().zip(row(record).values) {
            object[*field] = json!(value.to_json());
        }
        records.insert(id, object);
    }

    /// What a query should find, with what comes along.
    pub(crate) fn query(&self, entity: &str, query: &Json) -> Vec<Json> {
        let records = self.0.get(entity).into_iter().flat_map(BTreeMap::values).cloned().collect();
        self.answer(entity, records, query)
    }

    pub(crate) fn answer(&self, entity: &str, mut records: Vec<Json>, query: &Json) -> Vec<Json> {
        records.retain(|record| {
            query["where"].as_object().into_iter().flatten().all(|(name, value)| record[name] == *value)
        });
        let order = query["orderBy"].as_object().and_then(|order| order.iter().next());
        records.sort_by_key(|record| {
            let id = record["id"].as_str().unwrap().to_owned();
            let key = order.map_or("", |(field, _)| record[field].as_str().unwrap_or("")).to_owned();
            (key, id.len() != 36, id)
        });
        if order.is_some_and(|(_, direction)| direction == "desc") {
            records.reverse();
        }
        let size = |part: &str, none: usize| query[part].as_u64().map_or(none, |count| count as usize);
        let mut kept: Vec<Json> = records.into_iter().skip(size("offset", 0)).take(size("limit", usize::MAX)).collect();
        for record in &mut kept {
            for (name, part) in query["include"].as_object().into_iter().flatten() {
                record[name] = self.included(entity, record, part);
            }
        }
        kept
    }

    pub(crate) fn included(&self, entity: &str, record: &Json, part: &Json) -> Json {
        let (id, via) = (&record["id"], part["via"].as_str().unwrap());
        let naming = |entity: &str| self.query(entity, &json!({ "where": { via: id } }));
        if let Some(from) = part["from"].as_str() {
            return Json::Array(self.answer(from, naming(from), part));
        }
        let Some(through) = part["through"].as_str() else {
            let target = target(entity, via);
            let found = self.query(target, &json!({ "where": { "id": record[via] }, "include": part["include"] }));
            return found.into_iter().next().unwrap_or(Json::Null);
        };
        let to = part["to"].as_str().unwrap();
        let named: Vec<Json> = naming(through).into_iter().map(|between| between[to].clone()).collect();
        let mut far = self.query(target(through, to), &json!({}));
        far.retain(|record| named.contains(&record["id"]));
        Json::Array(self.answer(target(through, to), far, part))
    }
}

pub(crate) fn target(entity: &str, field: &str) -> &'static str {
    fields_of(entity).iter().find(|(name, ..)| *name == field).unwrap().1.unwrap()
}

/// Choices from which a query is made: as many as it needs.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8], pub(crate) Cell<usize>);

impl Choices<'_> {
    pub(crate) fn of(&self, count: usize) -> usize {
        let place = self.1.get();
        self.1.set(place + 1);
        usize::from(self.0[place % self.0.len()]) % count
    }

    pub(crate) fn query(&self, entity: &'static str, depth: usize, left: &mut usize) -> Json {
        let mut query = json!({});
        let fields = fields_of(entity);
        if self.of(3) == 0 {
            let (field, target, _) = fields[self.of(fields.len())];
            let value = row(&(0, 0, vec![self.of(IDS)], false)).values[0].to_json();
            query["where"] = json!({ field: if target.is_some() { json!(id(self.of(IDS))) } else { json!(value) } });
        }
        if self.of(2) == 0 {
            let (field, direction) = (fields[self.of(fields.len())].0, ["asc", "desc"][self.of(2)]);
            query["orderBy"] = json!({ field: direction });
        }
        if self.of(3) == 0 {
            query["limit"] = json!(self.of(4));
        }
        if self.of(5) == 0 {
            query["offset"] = json!(self.of(3));
        }
        self.include(entity, depth, left, &mut query);
        query
    }

    pub(crate) fn include(&self, entity: &'static str, depth: usize, left: &mut usize, query: &mut Json) {
        for name in ["one", "two", "three"] {
            if depth == 4 || *left == 0 || self.of(2) == 0 {
                return;
            }
            *left -= 1;
            let links = links(entity);
            let (mut part, far) = links[self.of(links.len())].clone();
            if part.get("from").or(part.get("through")).is_some() {
                let more = self.query(far, depth + 1, left);
                part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            } else {
                self.include(far, depth + 1, left, &mut part);
            }
            query["include"][name] = part;
        }
    }
}

/// All ways from an entity, and where they lead.
pub(crate) fn links(entity: &str) -> Vec<(Json, &'static str)> {
    let mut links = Vec::new();
    for (field, target, _) in fields_of(entity) {
        links.extend(target.map(|target| (json!({ "via": field }), target)));
    }
    for (from, fields) in ENTITIES {
        for (via, ..) in fields.iter().filter(|(_, target, _)| *target == Some(entity)) {
            links.push((json!({ "from": from, "via": via }), from));
            for (to, target, _) in fields.iter().filter(|(to, target, _)| to != via && target.is_some()) {
                links.push((json!({ "through": from, "via": via, "to": to }), target.unwrap()));
            }
        }
    }
    links
}
