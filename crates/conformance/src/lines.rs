//! The lines of a pull's answer.
//!
//! ```text
//! start  ( resync? ( rows | gone )* cursor )*  ( end | error )
//! ```

use serde_json::{Map, Value, json};

use crate::check::{Checked, Verdict, broken, holds, list, same, text, version};

/// Limits of the protocol.
const ROWS_MAX: usize = 2_000;
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
const CURSOR_BYTES_MAX: usize = 1_024;

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<Value>);

/// Kind and content of a line.
fn parts(line: &Value) -> (&str, &Value) {
    line.as_object().and_then(|line| line.iter().next()).map_or(("", &Value::Null), |(kind, body)| (kind, body))
}

impl Lines {
    /// Reads an answer that must be complete, and checks it as far as every answer can be.
    pub(crate) fn read(body: &str) -> Checked<Self> {
        holds(body.ends_with('\n'), "the last line is not ended by a newline")?;
        let mut lines = Vec::new();
        for line in body.lines() {
            holds(line.len() <= LINE_BYTES_MAX, format!("a line has {} bytes", line.len()))?;
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                return broken(format!("a line is no JSON: {line:.100}"));
            };
            holds(value.as_object().is_some_and(|line| line.len() == 1), format!("not one key: {line:.100}"))?;
            let [bucket, columns, data] = ["\"bucket\"", "\"columns\"", "\"data\""].map(|key| line.find(key));
            let is_in_order = bucket < columns && columns < data;
            holds(value["rows"].is_null() || is_in_order, "a rows line is not in the order bucket, columns, data")?;
            lines.push(value);
        }
        let lines = Self(lines);
        lines.check()?;
        Ok(lines)
    }

    fn check(&self) -> Verdict {
        let [first, middle @ .., last] = self.0.as_slice() else { return broken("there are no two lines") };
        let start = &first["start"];
        same("the first line's protocol", &start["protocol"], 1)?;
        text("history", &start["history"])?;
        for bucket in list("buckets", &start["buckets"])? {
            text("bucket", &bucket["bucket"])?;
            holds(bucket["pending"].is_u64(), "pending is no number")?;
        }
        same("the last line", last, json!({ "end": {} }))?;
        // The bucket that lines are of, until its cursor without more.
        let mut open: Option<&str> = None;
        for line in middle {
            let (kind, body) = parts(line);
            let bucket = text("a line's bucket", &body["bucket"])?;
            let is_listed = list("buckets", &start["buckets"])?.iter().any(|listed| listed["bucket"] == bucket);
            holds(is_listed, format!("{bucket} is not among the buckets of start"))?;
            holds(open.is_none_or(|open| open == bucket), format!("{bucket} comes in the middle of another bucket"))?;
            open = Some(bucket);
            match kind {
                "rows" => check_rows(body)?,
                "gone" => {
                    for gone in list("gone", &body["rows"])? {
                        text("the id of what is gone", &gone[0])?;
                        version("the version of what is gone", &gone[1])?;
                    }
                }
                "resync" => {}
                "cursor" => {
                    let cursor = text("cursor", &body["cursor"])?;
                    holds(cursor.len() <= CURSOR_BYTES_MAX, format!("a cursor has {} bytes", cursor.len()))?;
                    holds(body["more"].is_boolean(), "a cursor does not say whether more follows")?;
                    if body["more"] == false {
                        // 0 is where nothing has happened yet.
                        holds(body["version"].is_u64(), "the last cursor of a bucket has no version")?;
                        open = None;
                    }
                }
                other => return broken(format!("there is no line {other:?}")),
            }
        }
        holds(open.is_none(), "a bucket ends without its last cursor")
    }

    fn of<'a>(&'a self, kind: &'a str, bucket: &'a str) -> impl Iterator<Item = &'a Value> {
        let bodies = self.0.iter().map(parts).filter(move |(found, _)| *found == kind);
        bodies.map(|(_, body)| body).filter(move |body| body["bucket"] == bucket)
    }

    pub(crate) fn start(&self) -> &Value {
        self.0.first().map_or(&Value::Null, |line| &line["start"])
    }

    /// The buckets, in the order of `start`.
    pub(crate) fn buckets(&self) -> Vec<String> {
        let all = self.start()["buckets"].as_array().into_iter().flatten();
        all.filter_map(|bucket| bucket["bucket"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn pending(&self, bucket: &str) -> Option<u64> {
        let mut all = self.start()["buckets"].as_array().into_iter().flatten();
        all.find(|listed| listed["bucket"] == bucket)?["pending"].as_u64()
    }

    /// Id, version and fields of the rows of a bucket, in their order.
    pub(crate) fn rows(&self, bucket: &str) -> Vec<(String, u64, Value)> {
        self.of("rows", bucket).flat_map(rows_of).collect()
    }

    /// How many rows each batch of a bucket has.
    pub(crate) fn batches(&self, bucket: &str) -> Vec<usize> {
        self.of("rows", bucket).map(|batch| batch["data"].as_array().map_or(0, Vec::len)).collect()
    }

    /// Fields of a row, with its version as `_version`, in whatever bucket it is.
    pub(crate) fn row(&self, id: &str) -> Option<Value> {
        let batches = self.0.iter().map(parts).filter(|(kind, _)| *kind == "rows");
        let (_, version, mut fields) = batches.flat_map(|(_, body)| rows_of(body)).rfind(|row| row.0 == id)?;
        fields["_version"] = version.into();
        Some(fields)
    }

    /// Ids and versions of what is gone from a bucket.
    pub(crate) fn gone(&self, bucket: &str) -> Vec<(String, u64)> {
        let all = self.of("gone", bucket).filter_map(|gone| gone["rows"].as_array()).flatten();
        all.filter_map(|gone| Some((gone[0].as_str()?.to_owned(), gone[1].as_u64()?))).collect()
    }

    /// The cursor lines of a bucket.
    pub(crate) fn cursors(&self, bucket: &str) -> Vec<Value> {
        self.of("cursor", bucket).cloned().collect()
    }

    /// What a client sends next: the last cursor of each bucket.
    pub(crate) fn next(&self) -> Value {
        let all = self.buckets().into_iter().filter_map(|bucket| {
            let cursor = self.of("cursor", &bucket).last()?["cursor"].clone();
            Some(json!({ "bucket": bucket, "cursor": cursor }))
        });
        all.collect()
    }

    /// The `resync` line of a bucket.
    pub(crate) fn resync<'a>(&'a self, bucket: &'a str) -> Option<&'a Value> {
        self.of("resync", bucket).next()
    }

    /// All of it, to look for what must not be there.
    pub(crate) fn whole(&self) -> String {
        self.0.iter().map(Value::to_string).collect()
    }
}

fn rows_of(batch: &Value) -> Vec<(String, u64, Value)> {
    let columns: Vec<&str> = batch["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let rows = batch["data"].as_array().into_iter().flatten();
    let read = |row: &Value| {
        let named = columns.iter().zip(row.as_array()?).skip(2);
        let fields: Map<String, Value> = named.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Some((row[0].as_str()?.to_owned(), row[1].as_u64()?, Value::Object(fields)))
    };
    rows.filter_map(read).collect()
}

fn check_rows(batch: &Value) -> Verdict {
    let (columns, data) = (list("columns", &batch["columns"])?, list("data", &batch["data"])?);
    same("the first column", &columns.first().cloned().unwrap_or_default(), "id")?;
    same("the second column", &columns.get(1).cloned().unwrap_or_default(), "_version")?;
    holds((1..=ROWS_MAX).contains(&data.len()), format!("a rows line has {} rows", data.len()))?;
    for row in data {
        holds(list("a row", row)?.len() == columns.len(), "a row has not as many values as there are columns")?;
        text("a row's id", &row[0])?;
        version("a row's version", &row[1])?;
    }
    Ok(())
}
