//! The judge of pairs: what must be true of adds and removals, said from what goes over the wire and what the database was given.
//!
//! - A pair is one row, under the id that its two references make.
//! - What a device had seen when it added a pair is in what it says: no less than the cursors that it had sent before.
//! - Who knew of what it meets counts. Who did not counts when it is later by the clocks, and else not.
//!
//! What clocks say of a pair is not always known here to the moment (another change may have come with it), so there are two bounds of it, and what
//! lies between them is not judged.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;
use whimbrel_server::{MemoryWrite, Value};

use crate::app::PAIRED;

/// What is known of a pair's last add or removal.
#[derive(Clone)]
struct Last {
    /// The version it made; none when that is not known.
    version: Option<u64>,
    /// It was no earlier than that, and no later.
    earliest: i64,
    latest: i64,
    /// Who has changed the pair since, or made it what it is: they come after themselves.
    clients: BTreeSet<String>,
}

impl Default for Last {
    fn default() -> Self {
        Self { version: None, earliest: i64::MIN, latest: i64::MIN, clients: BTreeSet::new() }
    }
}

#[derive(Default)]
struct Notes {
    /// By client: the version of the last cursor that it has sent.
    seen: BTreeMap<String, u64>,
    /// How often devices began anew: what was sent before says nothing of what a client knows now, which may be the same client.
    era: u64,
    /// By number of an add: what its device had seen, whatever it says.
    due: BTreeMap<i64, u64>,
    last: BTreeMap<String, Last>,
    /// Changes that were decided.
    decided: BTreeSet<String>,
    /// The server was put back: what devices say of versions is of another history for a while, and counts for nothing.
    is_restored: bool,
    found: Vec<String>,
}

/// What is known of the pairs of a world.
#[derive(Default)]
pub(crate) struct Pairs(RefCell<Notes>);

/// A change of a pair on its way.
struct Change {
    change: String,
    id: String,
    op: String,
    number: i64,
    base: Option<u64>,
    at: i64,
}

impl Change {
    fn read(json: &Json) -> Option<Self> {
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        text("entity").filter(|entity| entity == PAIRED)?;
        Some(Self {
            change: text("change")?,
            id: text("id")?,
            op: text("op")?,
            number: json.get("set").and_then(|set| set.get("v")).and_then(Json::as_i64).unwrap_or(0),
            base: json.get("base").and_then(Json::as_u64),
            at: json.get("at")?.as_i64()?,
        })
    }
}

/// What stands in a cursor behind its signature, when the snapshot is behind it.
fn version_of(cursor: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(bytes.get(16..)?).ok()?.split_once(".d.")?.1.parse().ok()
}

impl Pairs {
    /// When a request is sent.
    pub(crate) fn era(&self) -> u64 {
        self.0.borrow().era
    }

    /// A pull says where its client stands; below the horizon that is of no use, nor when it was sent in another era.
    pub(crate) fn pulled(&self, body: &str, horizon: u64, era: u64) {
        if era != self.era() {
            return;
        }
        let Ok(pull) = serde_json::from_str::<Json>(body) else { return };
        let Some(client) = pull.get("client").and_then(Json::as_str) else { return };
        let bucket = format!("{PAIRED}/all");
        for cursor in pull.get("cursors").and_then(Json::as_array).into_iter().flatten() {
            if cursor.get("bucket").and_then(Json::as_str) == Some(&bucket) {
                let version = cursor.get("cursor").and_then(Json::as_str).and_then(version_of);
                match version.filter(|version| *version >= horizon) {
                    Some(version) => _ = self.0.borrow_mut().seen.insert(client.to_owned(), version),
                    None => _ = self.0.borrow_mut().seen.remove(client),
                }
            }
        }
    }

    /// A device of that client is about to add a pair.
    pub(crate) fn adds(&self, client: &str, number: i64) {
        let mut notes = self.0.borrow_mut();
        if let Some(seen) = notes.seen.get(client).copied().filter(|_| !notes.is_restored) {
            notes.due.insert(number, seen);
        }
    }

    /// Devices begin anew: nobody has seen anything.
    pub(crate) fn begin_anew(&self) {
        let mut notes = self.0.borrow_mut();
        notes.seen.clear();
        notes.era += 1;
    }

    /// The server was put back: versions say nothing any more.
    pub(crate) fn restored(&self) {
        let mut notes = self.0.borrow_mut();
        notes.is_restored = true;
        notes.due.clear();
        notes.decided.clear();
        let unknown = |last: &Last| Last { latest: last.latest, ..Last::default() };
        notes.last = notes.last.iter().map(|(id, last)| (id.clone(), unknown(last))).collect();
    }

    /// What a push has made of the pairs, when it was answered: the last writes of all are new.
    pub(crate) fn pushed(&self, body: &str, writes: &[Arc<MemoryWrite>], before: usize) {
        let Ok(push) = serde_json::from_str::<Json>(body) else { return };
        let client = push.get("client").and_then(Json::as_str).unwrap_or_default();
        let changes = push.get("changes").and_then(Json::as_array).into_iter().flatten();
        let mut changes: Vec<Change> = changes.filter_map(Change::read).collect();
        let mut notes = self.0.borrow_mut();
        changes.retain(|change| notes.decided.insert(change.change.clone()));
        let (old, new) = writes.split_at(before.min(writes.len()));
        let ids: BTreeSet<&str> = changes.iter().map(|change| change.id.as_str()).collect();
        for id in ids {
            let of_pair = |write: &&Arc<MemoryWrite>| write.entity == PAIRED && write.id == id;
            let was_there = old.iter().rev().find(of_pair).is_some_and(|write| write.row.is_some());
            let new: Vec<_> = new.iter().filter(of_pair).collect();
            let is_there = new.last().map_or(was_there, |write| write.row.is_some());
            let own: Vec<&Change> = changes.iter().filter(|change| change.id == id).collect();
            let mut last = notes.last.remove(id).unwrap_or_default();
            if let ([change], Some(version)) = (own.as_slice(), last.version) {
                let (is_moved, knows) = (was_there != is_there, change.base.is_some_and(|base| base >= version));
                if !(knows && notes.is_restored) {
                    notes.found.extend(last.judge(change, client, version, (was_there, is_moved, knows)));
                }
            }
            for change in own.iter().filter(|change| change.op == "create") {
                let due = notes.due.get(&change.number).copied();
                if due > change.base {
                    let Change { number, base, .. } = change;
                    notes.found.push(format!("{PAIRED} {id}: add {number} is made on {base:?}, not on {due:?}"));
                }
            }
            last.follow(&own, client, was_there, &new);
            notes.last.insert(id.to_owned(), last);
        }
    }

    /// What was found, and what the database was given.
    pub(crate) fn check(&self, writes: &[Arc<MemoryWrite>]) -> Vec<String> {
        let mut found = std::mem::take(&mut self.0.borrow_mut().found);
        for write in writes.iter().filter(|write| write.entity == PAIRED) {
            let Some(row) = &write.row else { continue };
            let (left, right) = (row.get(3), row.get(4));
            if !matches!((left, right), (Some(Value::Text(left)), Some(Value::Text(right))) if format!("{left}~{right}") == write.id)
            {
                found.push(format!("{PAIRED} {}: is another pair, {row:?}", write.id));
            }
        }
        found
    }
}

impl Last {
    /// Whether an add of what is not there, or a removal of what is, has come to what it must.
    fn judge(
        &self,
        change: &Change,
        client: &str,
        version: u64,
        (was_there, is_moved, knows): (bool, bool, bool),
    ) -> Option<String> {
        let is_add = change.op == "create";
        if change.op == "update" || was_there == is_add {
            return None;
        }
        let Change { at, base, .. } = change;
        let is_later = if is_add { *at > self.latest } else { *at >= self.latest };
        let is_earlier = if is_add { *at <= self.earliest } else { *at < self.earliest };
        let wrong = if !is_moved && (knows || is_later) {
            "counts for nothing"
        } else if is_moved && !knows && is_earlier && !self.clients.contains(client) {
            "counts"
        } else {
            return None;
        };
        let (id, op, number) = (&change.id, &change.op, change.number);
        let (earliest, latest) = (self.earliest, self.latest);
        Some(format!(
            "{PAIRED} {id}: {op} {number} at {at} on {base:?} came after {version} of {earliest} to {latest}, and {wrong}"
        ))
    }

    fn follow(&mut self, changes: &[&Change], client: &str, was_there: bool, new: &[&Arc<MemoryWrite>]) {
        let moving = changes.iter().filter(|change| change.op != "update");
        self.latest = moving.clone().map(|change| change.at).fold(self.latest, i64::max);
        let (mut is_there, mut moved) = (was_there, None);
        for write in new {
            if write.row.is_some() != is_there {
                is_there = write.row.is_some();
                moved = Some(write.version);
            }
        }
        if moved.is_some() {
            self.version = moved;
            self.clients.clear();
            self.earliest = match changes {
                [change] => self.earliest.max(change.at),
                _ => self.earliest,
            };
        }
        self.clients.insert(client.to_owned());
    }
}
