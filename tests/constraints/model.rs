//! What constraints mean, said the simple way; and a server that believes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use whimbrel_protocol::{Change, Op};

use super::KINDS;

/// Entity and id.
pub(crate) type Key = (&'static str, String);
pub(crate) type Rows = BTreeMap<Key, BTreeMap<String, Json>>;
pub(crate) type Write = (Op, Key, Json);

/// Entity, field, the entity it refers to, and what a deletion there does.
const REFS: [(&str, &str, &str, &str); 6] = [
    ("area", "up", "area", "setNull"),
    ("room", "area", "area", "cascade"),
    ("room", "next", "desk", "restrict"),
    ("desk", "room", "room", "cascade"),
    ("desk", "area", "area", "restrict"),
    ("desk", "up", "desk", "cascade"),
];
const UNIQUE: [(&str, &[&str]); 2] = [("area", &["code"]), ("room", &["area", "number"])];
const FIELDS: [(&str, &[&str]); 3] = [
    ("area", &["up", "code", "old", "note"]),
    ("room", &["area", "next", "kind", "number"]),
    ("desk", &["room", "area", "up", "note"]),
];

/// Those that refer to a record: who, with which field, and what its deletion does to them.
fn referring(rows: &Rows, (entity, id): &Key) -> Vec<(Key, &'static str, &'static str)> {
    let refs = REFS.iter().filter(|(_, _, target, _)| target == entity);
    refs.flat_map(|(child, field, _, on_delete)| {
        let theirs = rows.iter().filter(move |((kind, _), row)| kind == child && row[*field] == json!(id));
        theirs.map(|(key, _)| (key.clone(), *field, *on_delete))
    })
    .collect()
}

/// What is wrong with a record as it would be, in the fields that count.
fn wrong(
    rows: &Rows,
    key: &Key,
    row: &BTreeMap<String, Json>,
    counts: &dyn Fn(&str) -> bool,
) -> BTreeSet<&'static str> {
    let mut codes = BTreeSet::new();
    for (_, field, target, _) in REFS.iter().filter(|(entity, field, ..)| *entity == key.0 && counts(field)) {
        let other = row[*field].as_str().map(|id| (*target, id.to_owned()));
        if other.is_some_and(|other| other != *key && !rows.contains_key(&other)) {
            codes.insert("constraint/ref-missing");
        }
    }
    for (_, fields) in
        UNIQUE.iter().filter(|(entity, fields)| *entity == key.0 && fields.iter().any(|field| counts(field)))
    {
        let values = |row: &BTreeMap<String, Json>| fields.iter().map(|field| row[*field].clone()).collect::<Vec<_>>();
        let is_same = |(other, found): (&Key, &BTreeMap<String, Json>)| {
            other.0 == key.0 && other != key && values(found) == values(row)
        };
        if !values(row).contains(&Json::Null) && rows.iter().any(is_same) {
            codes.insert("constraint/unique");
        }
    }
    codes
}

/// What the device should show, and which ids it cannot use again yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) rows: Rows,
    /// Made here, and never sent.
    new: BTreeSet<Key>,
    /// Made and deleted here; mostly nobody else has to know of it.
    fleeting: BTreeSet<Key>,
    /// Deleted here; the deletion was not sent, or not answered.
    gone: BTreeSet<Key>,
    /// What was gone, and what was fleeting, when the last request left.
    at_sending: [BTreeSet<Key>; 2],
}

impl Model {
    /// Writes; the codes of which one is right when it cannot be.
    pub(crate) fn write(&mut self, (op, key, fields): &Write) -> BTreeSet<&'static str> {
        let fields = fields.as_object().unwrap();
        let known = self.rows.get(key).cloned();
        let mut row = match (op, known) {
            (Op::Create, Some(_)) => return BTreeSet::from(["row/exists"]),
            (Op::Create, None) if self.gone.contains(key) => return BTreeSet::from(["row/exists"]),
            (Op::Update | Op::Delete, None) => return BTreeSet::from(["row/not-found"]),
            (Op::Delete, Some(_)) => return self.delete(key),
            (Op::Update, Some(row)) => row,
            (Op::Create, None) => {
                let names = FIELDS.iter().find(|(entity, _)| *entity == key.0).unwrap().1;
                names.iter().map(|name| ((*name).to_owned(), Json::Null)).collect()
            }
        };
        let before = row.clone();
        row.extend(fields.clone());
        let mut codes = wrong(&self.rows, key, &row, &|field| *op == Op::Create || row[field] != before[field]);
        if key.0 == "room" && row["area"].is_null() {
            codes.insert("value/required");
        }
        if key.0 == "room" && row["kind"].as_str().is_some_and(|kind| !KINDS.contains(&kind)) {
            codes.insert("value/not-one-of");
        }
        if codes.is_empty() {
            self.rows.insert(key.clone(), row);
            if *op == Op::Create {
                self.new.insert(key.clone());
            }
        }
        codes
    }

    fn delete(&mut self, key: &Key) -> BTreeSet<&'static str> {
        let mut deleted = BTreeSet::from([key.clone()]);
        loop {
            let all = deleted.iter().flat_map(|key| referring(&self.rows, key));
            let more: BTreeSet<Key> = all.filter(|(.., mode)| *mode == "cascade").map(|(key, ..)| key).collect();
            if more.is_subset(&deleted) {
                break;
            }
            deleted.extend(more);
        }
        let outside = deleted.iter().flat_map(|key| referring(&self.rows, key));
        let outside: Vec<_> = outside.filter(|(child, ..)| !deleted.contains(child)).collect();
        if outside.iter().any(|(.., mode)| *mode == "restrict") {
            return BTreeSet::from(["constraint/ref-restricted"]);
        }
        for (child, field, _) in outside {
            self.rows.get_mut(&child).unwrap().insert(field.to_owned(), Json::Null);
        }
        for key in deleted {
            self.rows.remove(&key);
            if self.new.remove(&key) {
                self.fleeting.insert(key)
            } else {
                self.gone.insert(key)
            };
        }
        BTreeSet::new()
    }

    /// Whether it is not known if a record's id can be used again.
    pub(crate) fn is_fleeting(&self, (op, key, _): &Write) -> bool {
        *op == Op::Create && self.fleeting.contains(key)
    }

    pub(crate) fn sent(&mut self) {
        self.new.clear();
        self.at_sending = [self.gone.clone(), self.fleeting.clone()];
    }

    pub(crate) fn answered(&mut self) {
        let [gone, fleeting] = &self.at_sending;
        self.gone.retain(|key| !gone.contains(key));
        self.fleeting.retain(|key| !fleeting.contains(key));
    }
}

/// A server with foreign keys and unique indexes that are checked after every change.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) rows: Rows,
}

impl Server {
    pub(crate) fn take(&mut self, change: &Change) {
        let entity = FIELDS.iter().find(|(entity, _)| *entity == change.entity).unwrap().0;
        let key = (entity, change.id.clone());
        if change.op == Op::Delete {
            for (child, field, _) in referring(&self.rows, &key) {
                assert!(child == key, "{key:?} is deleted while {child:?}.{field} refers to it");
            }
            assert!(self.rows.remove(&key).is_some(), "{key:?} is not there to be deleted");
            return;
        }
        let mut row = self.rows.get(&key).cloned().unwrap_or_default();
        assert_eq!(row.is_empty(), change.op == Op::Create, "{key:?}");
        let set = serde_json::to_value(&change.set).unwrap();
        let set = set.as_object().unwrap();
        row.extend(set.clone());
        let codes = wrong(&self.rows, &key, &row, &|field| set.contains_key(field));
        assert!(codes.is_empty(), "{key:?} {row:?}: {codes:?}");
        self.rows.insert(key, row);
    }
}
