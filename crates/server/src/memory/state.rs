//! Everything a database in memory has: the tables, and what triggers keep of them elsewhere.
//!
//! **Invariant:** a record with a row has at least one log entry that is not gone; a row in no scope is entered under the empty scope.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use whimbrel_protocol::Version;

use super::eras::Eras;
use crate::model::{Entity, Row};
use crate::storage::{Bucket, Client, Compacted, Decided, Head, Page, PageLimit, PageRow, Record, Secret};

/// Entity and id.
type Key = (String, String);

/// A record's newest change in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    version: Version,
    gone: bool,
}

/// An entry of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct BucketEntry<'a> {
    pub(super) id: &'a str,
    pub(super) version: Version,
    pub(super) gone: bool,
}

/// A remembered decision, and the version it gave a record.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    pub(super) decided: Decided,
    pub(super) own: Option<(Key, Version)>,
}

/// What a write made of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryWrite {
    /// The version it was given.
    pub version: Version,
    /// The entity.
    pub entity: String,
    /// The record's id.
    pub id: String,
    /// The row afterwards; none when it was deleted.
    pub row: Option<Row>,
}

/// The contents of a database in memory.
#[derive(Debug, Clone)]
pub struct MemoryState {
    history: String,
    /// The histories before, each with its last version.
    past: BTreeMap<String, Version>,
    version: Version,
    rows: BTreeMap<Key, Row>,
    /// By entity, scope, id.
    log: BTreeMap<(String, String, String), Entry>,
    /// Records that were deleted and are not in the log any more.
    deleted: BTreeMap<Key, Version>,
    eras: Eras,
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) outcomes: BTreeMap<(String, u64), Remembered>,
    /// By entity, id and field's position.
    times: BTreeMap<(String, String, usize), i64>,
    writes: Vec<Arc<MemoryWrite>>,
}

impl MemoryState {
    pub(super) fn new(history: &str) -> Self {
        Self {
            history: history.to_owned(),
            past: BTreeMap::new(),
            version: 0,
            rows: BTreeMap::new(),
            log: BTreeMap::new(),
            deleted: BTreeMap::new(),
            eras: Eras::default(),
            clients: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            times: BTreeMap::new(),
            writes: Vec::new(),
        }
    }

    /// Every write there ever was, in order.
    #[must_use]
    pub fn writes(&self) -> &[Arc<MemoryWrite>] {
        &self.writes
    }

    pub(super) fn head(&self) -> Head {
        let Eras { horizon, .. } = self.eras;
        // A simulation's cursors are the same each time.
        let secret = Secret::new(Vec::new());
        Head { history: self.history.clone(), version: self.version, era: self.eras.present(), horizon, secret }
    }

    pub(super) fn set_history(&mut self, history: &str) {
        let past = std::mem::replace(&mut self.history, history.to_owned());
        self.past.insert(past, self.version);
    }

    pub(super) fn history_until(&self, history: &str) -> Option<Version> {
        if history == self.history { Some(Version::MAX) } else { self.past.get(history).copied() }
    }

    pub(super) fn begin_era(&mut self, name: String, now_ms: i64) {
        self.eras.begin(name, now_ms, self.version);
    }

    pub(super) fn era_until(&self, era: &str) -> Option<Version> {
        self.eras.until(era)
    }

    pub(super) fn compact(&mut self, before_ms: i64) -> Compacted {
        let horizon = self.eras.compact(before_ms);
        let is_old = |entry: &Entry| entry.gone && entry.version <= horizon;
        let old: Vec<_> =
            self.log.iter().filter(|(_, entry)| is_old(entry)).map(|(key, entry)| (key.clone(), *entry)).collect();
        for ((entity, scope, id), entry) in &old {
            self.log.remove(&(entity.clone(), scope.clone(), id.clone()));
            let known = self.deleted.entry(key(entity, id)).or_default();
            *known = entry.version.max(*known);
        }
        Compacted { horizon, removed: old.len() as u64 }
    }

    pub(super) fn row(&self, entity: &str, id: &str) -> Option<&Row> {
        self.rows.get(&key(entity, id))
    }

    pub(super) fn rows<'a>(&'a self, entity: &'a str) -> impl Iterator<Item = (&'a str, &'a Row)> {
        let from = self.rows.range(key(entity, "")..);
        from.take_while(move |((of, _), _)| of == entity).map(|((_, id), row)| (id.as_str(), row))
    }

    /// The entries of a bucket, by id.
    pub(super) fn bucket<'a>(&'a self, bucket: Bucket<'a>) -> impl Iterator<Item = BucketEntry<'a>> {
        let (entity, scope) = (bucket.entity.name.as_str(), bucket.scope);
        let from = self.log.range((entity.to_owned(), scope.to_owned(), String::new())..);
        let of_bucket = from.take_while(move |((of, within, _), _)| of == entity && within == scope);
        of_bucket.map(|((_, _, id), entry)| BucketEntry { id, version: entry.version, gone: entry.gone })
    }

    /// A page of these entries, in their order.
    pub(super) fn page<'a>(
        &self,
        bucket: Bucket<'_>,
        entries: impl Iterator<Item = BucketEntry<'a>>,
        limit: PageLimit,
    ) -> Page {
        let mut page = Page { complete: true, ..Page::default() };
        let mut bytes = 0;
        for entry in entries {
            if page.rows.len() + page.gone.len() >= limit.rows || bytes >= limit.bytes {
                page.complete = false;
                break;
            }
            bytes += entry.id.len() + 16;
            match self.row(&bucket.entity.name, entry.id).filter(|_| !entry.gone) {
                Some(row) => {
                    bytes += row.iter().map(crate::model::Value::weight).sum::<usize>();
                    page.rows.push(PageRow { id: entry.id.to_owned(), version: entry.version, row: row.clone() });
                }
                None => page.gone.push((entry.id.to_owned(), entry.version)),
            }
        }
        page
    }

    pub(super) fn times(&self, entity: &str, id: &str) -> BTreeMap<usize, i64> {
        let own = self.times.iter().filter(|((of, own, _), _)| of == entity && own == id);
        own.map(|((_, _, field), at)| (*field, *at)).collect()
    }

    pub(super) fn note_time(&mut self, entity: &str, id: &str, field: usize, at: i64) {
        self.times.insert((entity.to_owned(), id.to_owned(), field), at);
    }

    /// The newest version of a record, its tombstone included.
    pub(super) fn version_of(&self, entity: &str, id: &str) -> Option<Version> {
        let own = self.log.iter().filter(|((of, _, own), _)| of == entity && own == id);
        let forgotten = self.deleted.get(&key(entity, id)).copied();
        own.map(|(_, entry)| entry.version).max().max(forgotten)
    }

    pub(super) fn record(&self, entity: &str, id: &str) -> Record {
        match (self.row(entity, id), self.version_of(entity, id)) {
            (Some(row), version) => Record::Live { version: version.unwrap_or(0), row: row.clone() },
            (None, Some(version)) => Record::Deleted { version },
            (None, None) => Record::Unknown,
        }
    }

    /// Takes over a write that another database made, with its version: what was written, and when, is then known here, and nothing else.
    pub(super) fn follow(&mut self, write: MemoryWrite) {
        let key = (write.entity.clone(), write.id.clone());
        self.version = self.version.max(write.version);
        match &write.row {
            Some(row) => _ = self.rows.insert(key, row.clone()),
            None => _ = self.rows.remove(&key),
        }
        self.writes.push(Arc::new(write));
    }

    /// Puts a row in place, or takes it away, and enters that into the log. Returns the record's version.
    pub(super) fn write(&mut self, entity: &Entity, id: &str, row: Option<Row>) -> Version {
        let key = key(&entity.name, id);
        if self.rows.get(&key) == row.as_ref() {
            return self.version_of(&entity.name, id).unwrap_or(0);
        }
        self.version += 1;
        let version = self.version;
        let own = self.log.iter_mut().filter(|((of, _, own), entry)| *of == entity.name && own == id && !entry.gone);
        own.for_each(|(_, entry)| *entry = Entry { version, gone: true });
        if let Some(row) = &row {
            let scopes = entity.scopes.iter().filter_map(|template| template.scope_of(row));
            let mut scopes: BTreeSet<String> = scopes.collect();
            if scopes.is_empty() {
                scopes.insert(String::new());
            }
            for scope in scopes {
                self.log.insert((entity.name.clone(), scope, id.to_owned()), Entry { version, gone: false });
            }
        }
        let write = MemoryWrite { version, entity: entity.name.clone(), id: id.to_owned(), row: row.clone() };
        self.writes.push(Arc::new(write));
        match row {
            Some(row) => self.rows.insert(key, row),
            None => {
                self.times.retain(|(of, own, _), _| *of != entity.name || own != id);
                self.rows.remove(&key)
            }
        };
        version
    }
}

fn key(entity: &str, id: &str) -> Key {
    (entity.to_owned(), id.to_owned())
}
