//! What a client would have: an independent reading of pull answers.
//!
//! Like a real client it takes over rows only together with the cursor that covers them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Api, Lines};

#[derive(Debug, Clone, Default, PartialEq)]
struct Bucket {
    cursor: Option<String>,
    rows: BTreeMap<String, (u64, Map<String, Value>)>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Replica {
    buckets: BTreeMap<String, Bucket>,
}

impl Replica {
    pub(crate) fn cursors(&self) -> Value {
        let cursors = self.buckets.iter().filter_map(|(bucket, state)| {
            state.cursor.as_ref().map(|cursor| json!({ "bucket": bucket, "cursor": cursor }))
        });
        cursors.collect()
    }

    pub(crate) async fn sync(&mut self, api: &Api, entities: &[&str]) -> Lines {
        let lines = api.pull(entities, &self.cursors()).await;
        assert_eq!(lines.last(), Some(&json!({ "end": {} })));
        self.apply(&lines);
        lines
    }

    /// Applies lines, complete or cut off after any of them.
    pub(crate) fn apply(&mut self, lines: &[Value]) {
        let mut staged: BTreeMap<String, Bucket> = self.buckets.clone();
        for line in lines {
            let (kind, body) = line.as_object().unwrap().iter().next().unwrap();
            let name = body["bucket"].as_str().unwrap_or_default().to_owned();
            match kind.as_str() {
                "start" => self.keep_only(body, &mut staged),
                "rows" => take_rows(body, staged.get_mut(&name).unwrap()),
                "gone" => {
                    for gone in body["rows"].as_array().unwrap() {
                        assert!(gone[1].is_u64());
                        staged.get_mut(&name).unwrap().rows.remove(gone[0].as_str().unwrap());
                    }
                }
                "resync" => staged.get_mut(&name).unwrap().rows.clear(),
                "cursor" => {
                    let bucket = staged.get_mut(&name).unwrap();
                    bucket.cursor = Some(body["cursor"].as_str().unwrap().to_owned());
                    self.buckets.insert(name, bucket.clone());
                }
                "end" => assert_eq!(body, &json!({})),
                other => panic!("unexpected line {other}: {body}"),
            }
        }
    }

    fn keep_only(&mut self, start: &Value, staged: &mut BTreeMap<String, Bucket>) {
        let named = |start: &Value, name: &str| {
            start["buckets"].as_array().unwrap().iter().any(|bucket| bucket["bucket"] == name)
        };
        self.buckets.retain(|name, _| named(start, name));
        staged.retain(|name, _| named(start, name));
        for bucket in start["buckets"].as_array().unwrap() {
            staged.entry(bucket["bucket"].as_str().unwrap().to_owned()).or_default();
        }
    }

    /// Id → fields of a bucket.
    pub(crate) fn rows(&self, bucket: &str) -> BTreeMap<String, Value> {
        let bucket =
            self.buckets.get(bucket).unwrap_or_else(|| panic!("no bucket {bucket}: {:?}", self.buckets.keys()));
        bucket.rows.iter().map(|(id, (_, fields))| (id.clone(), Value::Object(fields.clone()))).collect()
    }

    pub(crate) fn version(&self, bucket: &str, id: &str) -> u64 {
        self.buckets[bucket].rows[id].0
    }

    pub(crate) fn bucket_names(&self) -> Vec<&str> {
        self.buckets.keys().map(String::as_str).collect()
    }

    pub(crate) fn set_cursor(&mut self, bucket: &str, cursor: &str) {
        self.buckets.entry(bucket.to_owned()).or_default().cursor = Some(cursor.to_owned());
    }
}

fn take_rows(batch: &Value, bucket: &mut Bucket) {
    let columns: Vec<&str> = batch["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(&columns[..2], ["id", "_version"]);
    let rows = batch["data"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.len() <= 2_000, "{} rows", rows.len());
    for row in rows {
        let values = row.as_array().unwrap();
        assert_eq!(values.len(), columns.len());
        let fields = columns.iter().zip(values).skip(2).map(|(name, value)| ((*name).to_owned(), value.clone()));
        bucket.rows.insert(values[0].as_str().unwrap().to_owned(), (values[1].as_u64().unwrap(), fields.collect()));
    }
}
