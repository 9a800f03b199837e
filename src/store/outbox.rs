//! The outbox: local changes that the server has not acknowledged.
//!
//! ```text
//! queued ──► sent (has a seq) ──► accepted: removed
//!   ▲  │                      ├─► conflict: moved to the conflicts
//!   └──┘ folds                └─► rejected: moved to the inbox
//! ```
//!
//! **Invariant:** changes to one record leave in the order they were written.
//! **Invariant:** a change that was sent never changes again; a change that was not sent folds with the next one of its record, unless changes of
//! other records between the two need the order.
//! **Invariant:** `seq` is dense and given in the same order for ever: it is stored before the request leaves.

use serde::Serialize;
use whimbrel_protocol::{Change, Fields, Op, Version};

use crate::error::Result;
use crate::json::{FromJson, Object};

/// Changes that may wait, at most.
pub const OUTBOX_MAX: u64 = 100_000;

/// One change that waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// The change's id (UUID v7).
    pub change: String,
    /// The entity's name.
    pub entity: String,
    /// The record's id.
    pub id: String,
    /// What was done.
    pub op: Op,
    /// The server's version of the row it was done on; none for a new record. Of a new pair, the version up to which its buckets were known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Version>,
    /// The new values.
    pub set: Fields,
    /// The values before. Of a new pair, those of the one that was deleted right before, when that folded.
    pub was: Fields,
    /// The device's clock when it was written, in milliseconds since 1970. Up to here it is written as a change of the protocol is.
    pub at: i64,
    /// The app's schema version that wrote it.
    pub schema: u32,
    /// The ids of earlier changes of the record that were folded into this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<String>,
    /// Its number at the server, once it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What of it went to the server, when a newer schema says it in other words by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// It met a newer row at the server and waits for a decision; until then nothing of its record is sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conflict: bool,
}

/// The words of a change as they went to the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Sent {
    pub entity: String,
    pub set: Fields,
    pub was: Fields,
}

/// What became of two changes of one record when the second was written before the first was sent.
#[derive(Debug, PartialEq)]
pub(super) enum Folded {
    /// One change says it all.
    Into(Box<Entry>),
    /// A record that was made and deleted before anybody else knew of it: nothing is left to send. The entry has all change ids.
    Nothing(Box<Entry>),
}

impl Entry {
    /// Whether a later change of the record may fold into this one.
    pub(super) const fn is_open(&self) -> bool {
        self.seq.is_none() && !self.conflict
    }

    /// Folds a later change of the same record into this one. Neither was sent; `known`: somebody else has the record as well, as a pair can be.
    pub(super) fn fold(mut self, later: Self, known: bool) -> Folded {
        let unknown = self.op == Op::Create && self.was.is_empty() && !known;
        match later.op {
            Op::Delete => {
                self.op = Op::Delete;
                self.set = Fields::new();
            }
            // A pair that comes back.
            Op::Create => {
                self.op = Op::Create;
                self.base = self.base.max(later.base);
                self.set = later.set;
            }
            Op::Update => {
                // Of the values before, the oldest counts; of the new ones, the newest.
                if self.op != Op::Create {
                    self.was = later.was.into_iter().chain(self.was).collect();
                }
                self.set = self.set.into_iter().chain(later.set).collect();
            }
        }
        self.folded.push(std::mem::replace(&mut self.change, later.change));
        self.at = later.at;
        self.schema = later.schema;
        if unknown && later.op == Op::Delete { Folded::Nothing(Box::new(self)) } else { Folded::Into(Box::new(self)) }
    }

    /// Every change id that this entry answers for.
    pub(super) fn change_ids(&self) -> impl Iterator<Item = &str> {
        self.folded.iter().map(String::as_str).chain(std::iter::once(self.change.as_str()))
    }

    /// The entry as it goes to the server: the same at every attempt.
    pub(super) fn into_change(self, seq: u64) -> Change {
        let now = Sent { entity: self.entity, set: self.set, was: self.was };
        let Sent { entity, set, was } = self.sent.unwrap_or(now);
        Change {
            seq,
            change: self.change,
            entity,
            id: self.id,
            op: self.op,
            base: self.base,
            set,
            was,
            group: None,
            at: self.at,
        }
    }
}

impl FromJson for Entry {
    fn from_json(mut object: Object) -> Result<Self> {
        let op = op_of(&object.text("op")?);
        Ok(Self {
            change: object.text("change")?,
            folded: object.texts("folded")?,
            entity: object.text("entity")?,
            id: object.text("id")?,
            op: op.ok_or_else(|| object.wrong("op"))?,
            base: object.optional_number("base")?,
            set: object.map("set")?,
            was: object.map("was")?,
            schema: object.small("schema")?,
            at: object.integer("at")?,
            seq: object.optional_number("seq")?,
            sent: object.optional("sent")?,
            conflict: object.flag("conflict")?,
        })
    }
}

impl FromJson for Sent {
    fn from_json(mut object: Object) -> Result<Self> {
        Ok(Self { entity: object.text("entity")?, set: object.map("set")?, was: object.map("was")? })
    }
}

pub(super) fn op_of(name: &str) -> Option<Op> {
    [Op::Create, Op::Update, Op::Delete].into_iter().find(|known| op_name(*known) == name)
}

const fn op_name(op: Op) -> &'static str {
    match op {
        Op::Create => "create",
        Op::Update => "update",
        Op::Delete => "delete",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(change: &str, op: Op, set: serde_json::Value, was: serde_json::Value) -> Entry {
        let fields = |json| serde_json::from_value(json).unwrap();
        Entry {
            change: change.to_owned(),
            folded: Vec::new(),
            entity: "order".to_owned(),
            id: "1".to_owned(),
            op,
            base: None,
            set: fields(set),
            was: fields(was),
            schema: 1,
            at: 0,
            seq: None,
            sent: None,
            conflict: false,
        }
    }

    fn folded(first: Entry, second: Entry) -> Entry {
        match first.fold(second, false) {
            Folded::Into(entry) => *entry,
            Folded::Nothing(_) => panic!("nothing is left"),
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let bare = entry("a", Op::Delete, json!({}), json!({}));
        let full = Entry {
            folded: vec!["x".to_owned()],
            base: Some(7),
            seq: Some(9),
            sent: Some(Sent { entity: "job".to_owned(), set: Fields::new(), was: Fields::new() }),
            conflict: true,
            ..entry("b", Op::Update, json!({"x": [1, null]}), json!({"x": "é"}))
        };
        for entry in [bare, full] {
            let text = serde_json::to_vec(&entry).unwrap();
            assert_eq!(Entry::parse(&text, crate::error::Code::StoreCorrupt).unwrap(), entry);
        }
    }

    #[test]
    fn an_update_folds_into_a_create() {
        let create = entry("a", Op::Create, json!({"x": 1, "y": 1}), json!({}));
        let update = entry("b", Op::Update, json!({"x": 2}), json!({"x": 1}));
        let both = folded(create, update);
        assert_eq!((both.op, json!(both.set), both.was), (Op::Create, json!({"x": 2, "y": 1}), Fields::new()));
        assert_eq!((both.change.as_str(), both.folded), ("b", vec!["a".to_owned()]));
    }

    #[test]
    fn two_updates_keep_the_oldest_values_before() {
        let first = entry("a", Op::Update, json!({"x": 2}), json!({"x": 1}));
        let second = entry("b", Op::Update, json!({"x": 3, "y": 3}), json!({"x": 2, "y": 1}));
        let both = folded(first, second);
        assert_eq!(json!(both.set), json!({"x": 3, "y": 3}));
        assert_eq!(json!(both.was), json!({"x": 1, "y": 1}));
    }

    #[test]
    fn a_delete_ends_what_came_before() {
        let update = entry("a", Op::Update, json!({"x": 2}), json!({"x": 1}));
        let both = folded(update, entry("b", Op::Delete, json!({}), json!({})));
        assert_eq!((both.op, both.set.len()), (Op::Delete, 0));
        let create = entry("a", Op::Create, json!({"x": 2}), json!({}));
        let Folded::Nothing(both) = create.fold(entry("b", Op::Delete, json!({}), json!({})), false) else {
            panic!("the server would hear of it");
        };
        assert_eq!(both.change_ids().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_pair_that_is_deleted_and_comes_back_is_created_again() {
        let delete = Entry { base: Some(4), ..entry("a", Op::Delete, json!({}), json!({"x": 1})) };
        let create = Entry { base: Some(7), ..entry("b", Op::Create, json!({"x": 2}), json!({})) };
        let both = folded(delete, create);
        assert_eq!((both.op, both.base, json!(both.set)), (Op::Create, Some(7), json!({"x": 2})));
        let gone = folded(both, entry("c", Op::Delete, json!({}), json!({})));
        assert_eq!((gone.op, gone.base, json!(gone.was)), (Op::Delete, Some(7), json!({"x": 1})));
        // Somebody else has made it meanwhile.
        let create = entry("a", Op::Create, json!({"x": 2}), json!({}));
        let Folded::Into(both) = create.fold(entry("b", Op::Delete, json!({}), json!({})), true) else {
            panic!("the server would not hear of it");
        };
        assert_eq!((both.op, both.set.len()), (Op::Delete, 0));
    }
}
