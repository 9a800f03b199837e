//! The judge: what must be true, said without a look into the engine or the server.
//!
//! It hears what the engine tells its app, and reads what the server's database was given, in order. Every value is written once in the world, so
//! a value on the server says which write has arrived there, when, and how often.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use whimbrel::store::Ending;
use whimbrel_server::{MemoryWrite, Value};

use crate::app::{FIELDS, MERGED, PAIRED};
use crate::network::Bases;

/// What a write did, in the words of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    /// Created the record.
    Created,
    /// Changed the field of that number.
    Set(usize),
    /// Deleted the record.
    Deleted,
}

/// A write that the engine called saved; or that failed, when nobody can say whether it happened.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// The value, or for a deletion just a number; they grow.
    pub(crate) number: i64,
    pub(crate) device: usize,
    /// The change's id; none when the write failed.
    pub(crate) change: Option<String>,
    pub(crate) entity: &'static str,
    pub(crate) id: String,
    pub(crate) did: Did,
}

/// What a device has at the end.
pub(crate) struct Final {
    pub(crate) device: usize,
    /// By entity and id: the row's values as text.
    pub(crate) rows: BTreeMap<(String, String), String>,
    /// What the server would show this user.
    pub(crate) expected: BTreeMap<(String, String), String>,
    /// Records with a conflict that is open.
    pub(crate) conflicts: BTreeSet<(String, String)>,
    /// Everything that is kept among the refused changes and the conflicts, as text.
    pub(crate) kept: String,
    /// What it remembers of changes that were accepted, as text.
    pub(crate) accepted: String,
    /// Changes that wait and are in no conflict.
    pub(crate) pending: u64,
}

/// The judge.
pub(crate) struct Judge {
    notes: RefCell<Notes>,
    /// Whether anybody wants to read the story.
    is_told: bool,
}

#[derive(Default)]
struct Notes {
    numbers: i64,
    /// Who wrote a number.
    writers: BTreeMap<i64, usize>,
    /// By number: the last that was begun when its write was called saved. What has a greater one was written afterwards.
    begun: BTreeMap<i64, i64>,
    saved: Vec<Saved>,
    endings: BTreeMap<String, Ending>,
    /// What had arrived on the server and was lost when it was restored.
    lost: BTreeSet<i64>,
    lost_deletions: BTreeSet<(String, String)>,
    /// Devices that have lost their databases.
    wiped: BTreeSet<usize>,
    violations: Vec<String>,
    story: Vec<String>,
}

impl Notes {
    /// Whether a device was told that a change is on the server, as far as that can be known.
    fn was_accepted(&self, device: usize, change: &str, last: Option<&Final>) -> bool {
        self.endings.get(change) == Some(&Ending::Accepted)
            || last.is_some_and(|last| last.accepted.contains(change))
            || self.wiped.contains(&device)
    }
}

impl Judge {
    pub(crate) fn new(is_told: bool) -> Self {
        Self { notes: RefCell::default(), is_told }
    }

    /// The next number, for a device.
    pub(crate) fn number(&self, device: usize) -> i64 {
        let mut notes = self.notes.borrow_mut();
        notes.numbers += 1;
        let number = notes.numbers;
        notes.writers.insert(number, device);
        number
    }

    pub(crate) fn writer(&self, number: i64) -> Option<usize> {
        self.notes.borrow().writers.get(&number).copied()
    }

    /// Whether a write was begun after another one had been called saved: it was then written later, whatever hung in between.
    fn is_after(&self, later: i64, earlier: i64) -> bool {
        self.notes.borrow().begun.get(&earlier).is_some_and(|begun| later > *begun)
    }

    /// Something has happened that helps to understand a story.
    pub(crate) fn note(&self, now: u64, what: impl FnOnce() -> String) {
        if self.is_told {
            self.notes.borrow_mut().story.push(format!("{:>9.3} {}", now as f64 / 1_000.0, what()));
        }
    }

    pub(crate) fn saved(&self, saved: Saved) {
        let mut notes = self.notes.borrow_mut();
        let begun = notes.numbers;
        if saved.change.is_some() {
            notes.begun.insert(saved.number, begun);
        }
        notes.saved.push(saved);
    }

    /// The newest writes of a device, one for each field of a record, as far as they are certain.
    pub(crate) fn newest(&self, device: usize) -> Vec<Saved> {
        let notes = self.notes.borrow();
        let mut seen = BTreeSet::new();
        let mut newest = Vec::new();
        for saved in notes.saved.iter().rev().filter(|saved| saved.device == device) {
            let key = |field: usize| (saved.entity, saved.id.as_str(), field);
            let is_new = match saved.did {
                Did::Created => seen.insert(key(0)),
                Did::Set(field) => seen.insert(key(field)),
                // Nothing of the record is looked at any more.
                Did::Deleted => {
                    seen.extend((0..FIELDS.len()).map(key));
                    false
                }
            };
            if is_new && saved.change.is_some() {
                newest.push(saved.clone());
            }
        }
        newest
    }

    /// The server has lost these writes.
    pub(crate) fn lost(&self, writes: &[std::sync::Arc<MemoryWrite>]) {
        let mut notes = self.notes.borrow_mut();
        for write in writes {
            match &write.row {
                Some(row) => notes.lost.extend(row.iter().filter_map(number_of)),
                None => _ = notes.lost_deletions.insert((write.entity.clone(), write.id.clone())),
            }
        }
    }

    pub(crate) fn is_lost(&self, number: i64) -> bool {
        self.notes.borrow().lost.contains(&number)
    }

    /// A device has forgotten what it was told.
    pub(crate) fn wiped(&self, device: usize) {
        self.notes.borrow_mut().wiped.insert(device);
    }

    /// The engine has told its app what became of a change.
    pub(crate) fn ended(&self, change: &str, ending: Ending) {
        let mut notes = self.notes.borrow_mut();
        // What was told of a conflict can be followed by what came of it.
        let before = notes.endings.insert(change.to_owned(), ending);
        if before == Some(Ending::Accepted) && ending != Ending::Accepted {
            notes.violations.push(format!("change {change} was accepted, and then {}", ending.as_str()));
        }
    }

    /// Whether anybody was told what became of a change.
    pub(crate) fn has_ended(&self, change: &str) -> bool {
        self.notes.borrow().endings.contains_key(change)
    }

    pub(crate) fn violation(&self, what: String) {
        self.notes.borrow_mut().violations.push(what);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.notes.borrow().violations.clone()
    }

    pub(crate) fn story(&self) -> Vec<String> {
        self.notes.borrow().story.clone()
    }

    /// What the server was given: nothing twice, each device's writes of a record in their order, nothing deleted comes back.
    /// And where changes are merged, none takes the place of a value that it was not made on.
    pub(crate) fn check_history(&self, writes: &[std::sync::Arc<MemoryWrite>], bases: &Bases) {
        let mut records: BTreeMap<(&str, &str), Record> = BTreeMap::new();
        let mut found = Vec::new();
        for write in writes {
            let record = records.entry((&write.entity, &write.id)).or_default();
            if let Err(what) = record.take(write, self, bases) {
                found.push(format!("{} {}: {what}", write.entity, write.id));
            }
        }
        self.notes.borrow_mut().violations.extend(found);
    }

    /// Every write that was called saved is somewhere, and what is called accepted is on the server.
    pub(crate) fn check_saved(&self, writes: &[std::sync::Arc<MemoryWrite>], finals: &[Final]) {
        let mut arrived: BTreeSet<i64> = BTreeSet::new();
        let (mut deleted, mut known) = (BTreeSet::new(), BTreeSet::new());
        for write in writes {
            let key = (write.entity.as_str(), write.id.as_str());
            known.insert(key);
            match &write.row {
                None => _ = deleted.insert(key),
                Some(row) => arrived.extend(row.iter().filter_map(number_of)),
            }
        }
        let mut notes = self.notes.borrow_mut();
        let mut lost = Vec::new();
        // By device and record, from the newest to the oldest: what a later write of the same thing took the place of need not be anywhere.
        let mut later: BTreeMap<(usize, &str, &str), (BTreeSet<usize>, bool)> = BTreeMap::new();
        for saved in notes.saved.iter().rev() {
            let key = (saved.entity, saved.id.as_str());
            let (fields, is_deleted) = later.entry((saved.device, key.0, key.1)).or_default();
            let is_superseded = match saved.did {
                Did::Created => *is_deleted || fields.contains(&0),
                Did::Set(field) => *is_deleted || fields.contains(&field),
                Did::Deleted => false,
            };
            let is_superseded = is_superseded || notes.may_be_superseded(saved);
            let has_effect = match saved.did {
                Did::Created | Did::Set(_) => arrived.contains(&saved.number),
                // A record that nobody but its maker ever knew needs no deletion.
                Did::Deleted => deleted.contains(&key) || !known.contains(&key),
            };
            let last = finals.iter().find(|last| last.device == saved.device);
            // Of a pair, what somebody else did later may leave nothing of it; it counts as accepted all the same.
            let is_accepted = saved.entity == PAIRED
                && saved.change.as_ref().is_some_and(|change| notes.was_accepted(saved.device, change, last));
            let has_effect = has_effect || is_accepted;
            let kept = last.map_or("", |last| &last.kept);
            // What the server had, and the device knew of, and an operator has lost.
            let is_lost = match saved.did {
                Did::Created | Did::Set(_) => notes.lost.contains(&saved.number),
                Did::Deleted => notes.lost_deletions.contains(&(key.0.to_owned(), key.1.to_owned())),
            };
            let has_effect = has_effect
                || (is_lost
                    && saved.change.as_ref().is_some_and(|change| notes.was_accepted(saved.device, change, last)));
            if let Some(change) = saved.change.as_ref().filter(|change| !kept.contains(*change))
                && !has_effect
                && !is_superseded
            {
                let told = notes.endings.get(change).map_or("nothing", |ending| ending.as_str());
                let Saved { number, device, did, entity, id, .. } = saved;
                lost.push(format!(
                    "lost: write {number} of device {device} ({did:?} {entity} {id}, change {change}); told of it: {told}"
                ));
            }
            // What took its place is judged by itself, so this counts even if that is lost.
            match saved.did {
                Did::Created => _ = fields.insert(0),
                Did::Set(field) => _ = fields.insert(field),
                Did::Deleted => *is_deleted = true,
            }
        }
        notes.violations.extend(lost);
    }

    /// Everybody has what the server has, and nothing waits.
    pub(crate) fn check_finals(&self, finals: &[Final]) {
        let mut found = Vec::new();
        for last in finals {
            let device = last.device;
            if last.pending > 0 {
                found.push(format!("device {device} still has {} changes that wait", last.pending));
            }
            let keys: BTreeSet<_> = last.rows.keys().chain(last.expected.keys()).collect();
            for key in keys.into_iter().filter(|key| !last.conflicts.contains(*key)) {
                let (has, should) = (last.rows.get(key), last.expected.get(key));
                if has != should {
                    found.push(format!("device {device} has {key:?} = {has:?}, the server {should:?}"));
                }
            }
        }
        self.notes.borrow_mut().violations.extend(found);
    }
}

pub(crate) fn number_of(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

impl Notes {
    /// Whether another write of the same thing was not over when this one began. Which was first is not known then: a tab that was frozen hears late that
    /// what it has written is saved.
    fn may_be_superseded(&self, saved: &Saved) -> bool {
        let takes_its_place = |other: &Saved| match (saved.did, other.did) {
            (Did::Deleted, _) => false,
            (_, Did::Deleted) => true,
            (Did::Created, Did::Set(field)) => field == 0,
            (Did::Set(field), Did::Set(other)) => field == other,
            (_, Did::Created) => false,
        };
        self.saved.iter().any(|other| {
            (other.number, other.device) != (saved.number, saved.device)
                && (other.device, other.entity, &other.id) == (saved.device, saved.entity, &saved.id)
                && takes_its_place(other)
                && self.begun.get(&other.number).is_some_and(|last| *last >= saved.number)
        })
    }
}

/// A record's life on the server.
#[derive(Default)]
struct Record {
    /// The present number of each field.
    present: [Option<i64>; FIELDS.len()],
    seen: BTreeSet<i64>,
    /// The last number of each device.
    last: BTreeMap<usize, i64>,
    is_deleted: bool,
}

impl Record {
    fn take(&mut self, write: &MemoryWrite, judge: &Judge, bases: &Bases) -> Result<(), String> {
        let Some(row) = &write.row else {
            self.is_deleted = true;
            return Ok(());
        };
        if write.entity == PAIRED && std::mem::take(&mut self.is_deleted) {
            self.present = [None; FIELDS.len()];
        }
        if self.is_deleted {
            return Err(format!("came back at version {} after it was deleted", write.version));
        }
        let mut new = Vec::new();
        for (place, present) in self.present.iter_mut().enumerate() {
            let number = row.get(place).and_then(number_of);
            if number != *present {
                let base = number.and_then(|number| bases.get(&number)).filter(|_| write.entity == MERGED);
                if base.is_some_and(|bases| !bases.contains(present)) {
                    return Err(format!("{number:?} took the place of {present:?}, which it was not made on"));
                }
                *present = number;
                new.extend(number);
            }
        }
        new.sort_unstable();
        for number in new {
            if !self.seen.insert(number) {
                return Err(format!("write {number} had its effect twice, again at version {}", write.version));
            }
            if let Some(device) = judge.writer(number)
                && let Some(before) = self.last.insert(device, number)
                && judge.is_after(before, number)
            {
                return Err(format!("write {number} of device {device} came after its write {before}"));
            }
        }
        Ok(())
    }
}
