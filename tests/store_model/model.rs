//! What a store should hold, kept the simple way, and what queries over it should find.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use whimbrel::model::{Row, key};

/// The fields of the one entity, in the schema's order, and whether they have an index.
pub(crate) const FIELDS: [(&str, bool); 5] =
    [("status", true), ("due", true), ("note", true), ("weight", false), ("done", false)];

/// The indexes by the places of their fields, in the order of their maps: those of single fields, then those that are declared.
pub(crate) const INDEXES: [&[usize]; 6] = [&[0], &[1], &[2], &[0, 1], &[2, 1], &[4, 1, 0, 3]];

/// A store's contents.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) rows: BTreeMap<String, Row>,
    pub(crate) plain: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    /// The keys that the index over some fields should have.
    pub(crate) fn index(&self, places: &[usize]) -> BTreeSet<Vec<u8>> {
        let live = self.rows.iter().filter(|(_, row)| !row.deleted);
        live.map(|(id, row)| {
            let mut entry = Vec::new();
            places.iter().for_each(|place| key::encode_indexed(row.values[*place].as_ref(), &mut entry));
            key::encode_id(id, &mut entry);
            entry
        })
        .collect()
    }

    /// What a query should answer.
    pub(crate) fn query(&self, query: &Json) -> Json {
        let mut found: Vec<Json> = self
            .rows
            .iter()
            .filter(|(_, row)| !row.deleted)
            .map(|(id, row)| object(id, row))
            .filter(|row| holds(row, &query["where"]))
            .collect();
        let orders: Vec<(&str, bool)> = match &query["orderBy"] {
            Json::Array(orders) => orders.iter().flat_map(order).collect(),
            one => order(one),
        };
        // Behind the id nothing is equal, whatever a record was that is not there any more.
        let steps = orders.iter().position(|(field, _)| *field == "id").map_or(orders.len(), |place| place + 1);
        let orders = &orders[..steps];
        let ties_descend = orders.last().is_some_and(|(_, descending)| *descending);
        let compare = |left: &Json, right: &Json| {
            let by_fields = orders.iter().fold(Ordering::Equal, |known, (field, descending)| {
                known.then_with(|| turned(compare_field(field, &left[*field], &right[*field]), *descending))
            });
            by_fields.then_with(|| turned(compare_field("id", &left["id"], &right["id"]), ties_descend))
        };
        found.sort_by(compare);
        if query["after"].is_object() {
            found.retain(|row| compare(row, &query["after"]).is_gt());
        }
        let offset = query["offset"].as_u64().unwrap_or(0) as usize;
        let limit = query["limit"].as_u64().map_or(usize::MAX, |limit| limit as usize);
        Json::Array(found.into_iter().skip(offset).take(limit).collect())
    }
}

/// A row as the app sees it.
pub(crate) fn object(id: &str, row: &Row) -> Json {
    let mut object = json!({ "id": id });
    for ((name, _), value) in FIELDS.iter().zip(&row.values) {
        object[*name] = json!(value.to_json());
    }
    object
}

fn order(json: &Json) -> Vec<(&str, bool)> {
    let fields = json.as_object().into_iter().flatten();
    fields.map(|(field, direction)| (field.as_str(), direction == "desc")).collect()
}

fn turned(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

fn compare_field(field: &str, left: &Json, right: &Json) -> Ordering {
    let is_uuid = |json: &Json| json.as_str().is_some_and(|id| id.len() == 36);
    let other_ids_last = if field == "id" { is_uuid(right).cmp(&is_uuid(left)) } else { Ordering::Equal };
    other_ids_last.then_with(|| compare(left, right))
}

/// Null, then false, true, numbers, text.
fn compare(left: &Json, right: &Json) -> Ordering {
    let rank = |json: &Json| match json {
        Json::Null => 0,
        Json::Bool(false) => 1,
        Json::Bool(true) => 2,
        Json::Number(_) => 3,
        _ => 4,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()).unwrap(),
        (Json::String(left), Json::String(right)) => left.cmp(right),
        _ => Ordering::Equal,
    })
}

fn holds(row: &Json, filter: &Json) -> bool {
    filter.as_object().into_iter().flatten().all(|(name, part)| match name.as_str() {
        "and" => part.as_array().unwrap().iter().all(|part| holds(row, part)),
        "or" => part.as_array().unwrap().iter().any(|part| holds(row, part)),
        "not" => !holds(row, part),
        field => match part {
            Json::Object(conditions) => {
                conditions.iter().all(|(operator, value)| field_holds(&row[field], operator, value))
            }
            value => field_holds(&row[field], "eq", value),
        },
    })
}

fn field_holds(found: &Json, operator: &str, value: &Json) -> bool {
    let order = compare(found, value);
    match operator {
        "eq" => order.is_eq(),
        "ne" => order.is_ne(),
        "in" => value.as_array().unwrap().iter().any(|value| compare(found, value).is_eq()),
        "isNull" => found.is_null() == (value == true),
        "contains" => found.as_str().is_some_and(|text| text.contains(value.as_str().unwrap())),
        "startsWith" => found.as_str().is_some_and(|text| text.starts_with(value.as_str().unwrap())),
        "lt" => !found.is_null() && order.is_lt(),
        "lte" => !found.is_null() && order.is_le(),
        "gt" => !found.is_null() && order.is_gt(),
        "gte" => !found.is_null() && order.is_ge(),
        _ => panic!("no operator {operator}"),
    }
}
